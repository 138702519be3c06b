"""The local page on which people name features: served on loopback, complete without a network."""
