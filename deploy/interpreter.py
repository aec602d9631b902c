"""The oldest Python this system runs on; written so that any Python can read it and say so."""

OLDEST = (3, 11)
