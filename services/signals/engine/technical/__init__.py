"""Indicators of one idea each: a bar in, the value at its close out, None until warm."""
