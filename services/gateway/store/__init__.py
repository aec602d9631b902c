"""The tables and keys of the gateway: PostgreSQL and Redis."""
