"""The embedded Kafka-protocol broker: one process, one node, durable segments; for laptops and tests."""
