"""What the gateway can do: one registry, from which every surface is made."""
