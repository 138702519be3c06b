"""`clerp open`: a graph in circuit-tracer's own frontend, on loopback and without a network."""
