"""What a run did, in figures and tables."""
