"""Closed candles by REST: the past, the holes, and the audit of our own."""
