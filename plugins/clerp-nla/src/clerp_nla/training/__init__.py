"""A tiny pair, trained on a grammar whose truth is known, to test with: a toy, never a result."""
