"""Readings of layers in, what they say together out: a scorecard, a network beside it, and why."""
