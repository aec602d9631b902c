"""The ways to ask: REST, RPC, documents for assistants, events; all made from the one registry of operations."""
