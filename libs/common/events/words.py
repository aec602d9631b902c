"""The closed vocabularies that events use; on the wire each is its lower-case word."""

from enum import StrEnum, unique
from typing import Final

SECOND_NS: Final = 1_000_000_000
MINUTE_NS: Final = 60 * SECOND_NS
HOUR_NS: Final = 60 * MINUTE_NS
DAY_NS: Final = 24 * HOUR_NS

_MONDAY_NS: Final = 4 * DAY_NS
"""1970-01-05, the first Monday after the epoch: weeks open on Mondays, 00:00 UTC."""


@unique
class Side(StrEnum):
    """The side of an order; on a trade it is the taker's."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1


@unique
class PositionSide(StrEnum):
    """The side of a position."""

    LONG = "long"
    SHORT = "short"


@unique
class Direction(StrEnum):
    """Where a signal points; `neutral` is a judgement, not an absence."""

    LONG = "long"
    SHORT = "short"
    NEUTRAL = "neutral"

    @property
    def sign(self) -> int:
        """+1 long, -1 short, 0 neutral."""
        return {Direction.LONG: 1, Direction.SHORT: -1, Direction.NEUTRAL: 0}[self]


@unique
class Origin(StrEnum):
    """Where a datum was born; anything but `live` is shown to whoever reads it."""

    LIVE = "live"
    RECORDED = "recorded"
    SIMULATED = "simulated"


@unique
class Source(StrEnum):
    """What a candle was made from."""

    TRADES = "trades"
    REST = "rest"


@unique
class Timeframe(StrEnum):
    """The lengths of candles, in the field's own words."""

    M1 = "1m"
    M5 = "5m"
    M15 = "15m"
    H1 = "1h"
    H4 = "4h"
    D1 = "1d"
    W1 = "1w"

    @property
    def ns(self) -> int:
        """The length in nanoseconds."""
        return _TIMEFRAME_NS[self]

    def open_ns(self, at_ns: int) -> int:
        """Return the opening time of the bar that holds `at_ns` (UTC; weeks open on Mondays)."""
        phase = _MONDAY_NS if self is Timeframe.W1 else 0
        return at_ns - (at_ns - phase) % self.ns


_TIMEFRAME_NS: Final = {
    Timeframe.M1: MINUTE_NS,
    Timeframe.M5: 5 * MINUTE_NS,
    Timeframe.M15: 15 * MINUTE_NS,
    Timeframe.H1: HOUR_NS,
    Timeframe.H4: 4 * HOUR_NS,
    Timeframe.D1: DAY_NS,
    Timeframe.W1: 7 * DAY_NS,
}


@unique
class Label(StrEnum):
    """A score in words, for people."""

    STRONG_BUY = "strong_buy"
    BUY = "buy"
    NEUTRAL = "neutral"
    SELL = "sell"
    STRONG_SELL = "strong_sell"


@unique
class Decision(StrEnum):
    """What the judge did with a signal."""

    PUBLISH = "publish"
    WITHHOLD = "withhold"


@unique
class Barrier(StrEnum):
    """What ended a signal's life first."""

    TARGET = "target"
    STOP = "stop"
    EXPIRY = "expiry"
    UNRESOLVED = "unresolved"


@unique
class Severity(StrEnum):
    """How much an alert may disturb: critical is repeated when its fate is unknown, info is not."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@unique
class DeliveryState(StrEnum):
    """What became of one message to one recipient."""

    PENDING = "pending"
    SENDING = "sending"
    DELIVERED = "delivered"
    AMBIGUOUS = "ambiguous"
    FAILED = "failed"
    EXPIRED = "expired"
    ROLLED_UP = "rolled_up"
    """Told in a digest, which has a delivery of its own."""
