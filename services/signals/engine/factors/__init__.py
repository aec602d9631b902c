"""The eight weighted factors: one file and one row of the table each."""
