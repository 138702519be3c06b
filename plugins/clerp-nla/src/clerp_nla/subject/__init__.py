"""The model whose residuals a pair describes, as plain transformers runs it."""
