"""The documents that promise what is served, generated from the registry; and what would break them."""
