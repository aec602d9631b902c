"""How well a venue is heard: measured, graded, published, shown."""
