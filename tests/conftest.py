"""What holds for every test."""

from hypothesis import settings

# How long an example takes says how busy the machine is.
settings.register_profile("clerp", deadline=None)
settings.register_profile("faults", deadline=None, max_examples=1000)
settings.load_profile("clerp")
