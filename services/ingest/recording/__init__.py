"""`csx ingest record` and `normalize`: raw frames to files, and files to events."""
