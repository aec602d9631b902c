"""What every service shares: `events` (what is said), `bus` (how it is said), `runtime` (how a process lives)."""
