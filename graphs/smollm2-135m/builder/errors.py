"""What can go wrong while the sample is built."""


class BuildError(Exception):
    """A stage could not do its work; the message says which input to look at."""
