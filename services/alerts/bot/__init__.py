"""The bot: what people write and press in; answers, and changed wishes, out. One table says what it understands."""

from typing import Final

from services.alerts.bot.command import Command
from services.alerts.bot.commands import control, evidence, market, record, rules, silence, start, status

COMMANDS: Final[tuple[Command, ...]] = (
    *start.COMMANDS,
    *silence.COMMANDS,
    *rules.COMMANDS,
    *status.COMMANDS,
    *record.COMMANDS,
    *evidence.COMMANDS,
    *market.COMMANDS,
    *control.COMMANDS,
)
"""Help, the menu, who may what, and the answer to what is unknown come from these rows."""
