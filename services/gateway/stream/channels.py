"""What may be subscribed to: a literal table. Pure."""

from typing import Any, Final

from msgspec import Struct

from services.gateway.access.scopes import Scope
from services.gateway.schemas.markets import Book, LiveBar, Price, Reading
from services.gateway.schemas.signals import SignalSummary
from services.gateway.schemas.system import HealthView
from services.gateway.schemas.told import DeliveryTold, LiveFunding, LiveLiquidation, OutcomeView, VerdictView


class Channel(Struct, frozen=True, kw_only=True):
    """One channel."""

    name: str
    scope: Scope
    """What a client needs."""
    data: Any
    """The type of what it carries."""
    schema: str
    """The name and version of that type, as messages say it."""
    kept: bool = False
    """Every message is kept, numbered and never left out; else a newer one may replace one that waits."""
    owned: bool = False
    """Some messages are for some users alone."""
    needs_symbol: bool = False
    snapshot: bool = False
    """Of a channel that is not kept: what is newest comes first."""
    moment: str = "event_ns"
    """The field of `data` that says when it happened."""
    about: str


_ALL: Final = (
    Channel(
        name="price",
        scope=Scope.MARKET,
        data=Price,
        schema="price/1",
        snapshot=True,
        about="The last trade.",
    ),
    Channel(
        name="book",
        scope=Scope.MARKET,
        data=Book,
        schema="book/1",
        snapshot=True,
        needs_symbol=True,
        about="The best 20 levels, at most four times a second; `in_sync: false` with a cause while it is rebuilt.",
    ),
    Channel(
        name="candles",
        scope=Scope.MARKET,
        data=LiveBar,
        schema="candle/1",
        about="A candle as it closes. A bar that comes by REST and from trades comes twice: the closed one counts, "
        "then the one by REST.",
    ),
    Channel(
        name="readings",
        scope=Scope.MARKET,
        data=Reading,
        schema="reading/1",
        snapshot=True,
        needs_symbol=True,
        moment="as_of_ns",
        about="One layer's reading from ticks or one timeframe, with its marks.",
    ),
    Channel(
        name="signals",
        scope=Scope.SIGNALS,
        data=SignalSummary,
        schema="signal/1",
        kept=True,
        moment="known_at_ns",
        about="A signal, said once as it is made: its judge's word comes on `verdicts`.",
    ),
    Channel(
        name="verdicts",
        scope=Scope.SIGNALS,
        data=VerdictView,
        schema="verdict/1",
        kept=True,
        moment="decided_ns",
        about="What the judge said of a signal.",
    ),
    Channel(
        name="outcomes",
        scope=Scope.SIGNALS,
        data=OutcomeView,
        schema="outcome/1",
        kept=True,
        moment="resolved_ns",
        about="What became of a signal, after costs.",
    ),
    Channel(
        name="deliveries",
        scope=Scope.ALERTS_READ,
        data=DeliveryTold,
        schema="delivery/1",
        kept=True,
        owned=True,
        moment="at_ns",
        about="What became of the alerts to one's own recipients.",
    ),
    Channel(
        name="liquidations",
        scope=Scope.MARKET,
        data=LiveLiquidation,
        schema="liquidation/1",
        about="A forced closing. Most venues publish a sample only.",
    ),
    Channel(
        name="funding",
        scope=Scope.MARKET,
        data=LiveFunding,
        schema="funding/1",
        about="What longs pay shorts at the next settlement.",
    ),
    Channel(
        name="health",
        scope=Scope.MARKET,
        data=HealthView,
        schema="health/1",
        snapshot=True,
        moment="as_of_ns",
        about="How the feeds are, every two seconds.",
    ),
)

CHANNELS: Final[dict[str, Channel]] = {channel.name: channel for channel in _ALL}
KEPT: Final = tuple(channel.name for channel in _ALL if channel.kept)
