"""Answers kept for a moment, so that many who ask the same ask the stores once."""
