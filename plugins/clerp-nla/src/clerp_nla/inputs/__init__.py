"""From a feature to the vectors that a pair is asked about."""
