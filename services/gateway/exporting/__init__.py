"""Stored series in; files out, row by row."""
