"""What holds for every request before any route."""
