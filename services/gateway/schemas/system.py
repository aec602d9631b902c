"""Views of the system itself: how feeds and alerts are, and what opens a stream. Pure."""

from msgspec import Struct

from libs.common.events import Origin


class Feed(Struct, frozen=True, kw_only=True):
    """One stream of one market, as the gateway sees it."""

    venue: str
    symbol: str
    stream: str
    """`trades`, `books`, `candles`, `readings`."""
    origin: Origin
    event_ns: int
    event_time: str
    seen_ns: int
    events: int
    """Records folded since the view began; a record that the log repeats counts again."""
    age_s: float = 0.0
    stale: bool = False
    gaps: int = 0
    open_gaps: int = 0
    """Holes that were not recovered."""


class HealthView(Struct, frozen=True, kw_only=True):
    """How the feeds are."""

    as_of_ns: int
    as_of: str
    stale_after_s: float
    feeds: list[Feed]
    alerts: dict[str, int]
    """Deliveries by state."""


class Ticket(Struct, frozen=True, kw_only=True):
    """Opens one WebSocket, once."""

    ticket: str
    expires_in_s: int
