"""What a venue lists, and whom of it we follow."""
