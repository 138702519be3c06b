"""Natural language autoencoders that say what features which resist labelling may be about."""
