"""The choices of each layer, a file each; `engine/config.py` puts them together."""
