"""Wishes of people in; rules on their topic, and what became of them, out."""
