"""The words of `csx gateway`, a file a family."""
