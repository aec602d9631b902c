"""Trades: one tape a symbol, its holes fetched, or said."""
