"""How well each signal of trust tells true claims from false ones, where the truth is known."""
