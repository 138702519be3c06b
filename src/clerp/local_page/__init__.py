"""A page on this machine, for one person: how it is served, and who is let in."""
