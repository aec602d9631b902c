"""REST: within a venue's limits, the urgent first."""
