"""Connections: opened, read, judged, replaced, and what they hear handed on."""
