"""SQL of the schema `gateway`, in order, each file run once."""
