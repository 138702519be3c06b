"""Activation examples and explanations from Neuronpedia, live or from its exports."""
