"""Pairs that run elsewhere: on a server of one's own, at Neuronpedia, or once, on record."""
