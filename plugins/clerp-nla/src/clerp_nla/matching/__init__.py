"""Whether a pair belongs to the model of a graph, and works on it."""
