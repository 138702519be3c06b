"""Windows of text to vectors by models of the sentence-transformers library."""
