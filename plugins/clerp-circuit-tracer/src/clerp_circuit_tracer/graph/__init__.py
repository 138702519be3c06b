"""Circuit-tracer's own graphs, saved or in memory, to graph JSON."""
