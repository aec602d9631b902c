"""How much anybody may ask: buckets in Redis, shared by all replicas."""
