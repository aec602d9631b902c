"""What the bot counts."""

from typing import Final

from prometheus_client import Counter, Gauge

UPDATES: Final = Counter("csx_alerts_updates_total", "What Telegram told the bot, by what became of it.", ["result"])
COMMANDS: Final = Counter("csx_alerts_commands_total", "Commands, by what became of them.", ["command", "result"])
CALLBACKS: Final = Counter("csx_alerts_callbacks_total", "Presses of buttons, by what became of them.", ["result"])
LEASE_HELD: Final = Gauge("csx_alerts_lease_held", "1 while this process alone may do it.", ["name"])
