"""Pairs of models in the layout of the released ones: the actor writes, the critic reads."""
