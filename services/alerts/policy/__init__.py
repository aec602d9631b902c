"""The thinking of alerts: which rule wants which verdict, when to be silent, and in which words. Pure."""
