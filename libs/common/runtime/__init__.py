"""How a process lives: settings, clock, telemetry, health, memory, migrations, and a graceful end."""
