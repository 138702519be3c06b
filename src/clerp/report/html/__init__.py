"""A report on labelled graphs as one HTML file that needs nothing else."""
