"""Closed bars of one timeframe in, the kind of market they make out: trend, range, volatile or quiet."""

from msgspec import Struct

from services.signals.engine.bars import Bar
from services.signals.engine.config import EngineConfig
from services.signals.engine.indicators import Values


class Regime(Struct):
    """The running state; built anew with the indicators."""

    word: str | None = None
    """Absent while its measures warm up."""

    @classmethod
    def new(cls, config: EngineConfig) -> "Regime":  # noqa: ARG003  # its measures are to come
        """Return one that has seen nothing."""
        return cls()

    def on_bar(self, bar: Bar, values: Values) -> None:
        """Take the next closed complete bar and the indicators at its close."""
