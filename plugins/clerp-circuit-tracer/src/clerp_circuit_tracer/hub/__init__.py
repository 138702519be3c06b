"""Feature files in repositories of the HuggingFace Hub, as circuit-tracer's frontend reads them."""
