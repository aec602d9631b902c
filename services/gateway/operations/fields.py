"""Parameters that several operations share: their limits and descriptions. Pure."""

from typing import Annotated, Final, TypeAlias

from msgspec import Meta

from libs.common.events import Direction, Origin, Timeframe

MAX_NS: Final = 2**63 - 1

_SYMBOL: Final = "A canonical symbol: `BTC-USDT-PERP`"
_VENUE: Final = "A venue, for instance `okx`"

_Symbol: TypeAlias = Annotated[str, Meta(max_length=80)]
_Venue: TypeAlias = Annotated[str, Meta(max_length=64)]

Symbol: TypeAlias = Annotated[_Symbol, Meta(description=_SYMBOL)]
AnySymbol: TypeAlias = Annotated[_Symbol | None, Meta(description=_SYMBOL)]
AnyVenue: TypeAlias = Annotated[_Venue | None, Meta(description=_VENUE)]
ChosenVenue: TypeAlias = Annotated[
    _Venue | None, Meta(description=f"{_VENUE}. Without it: the one with the newest data, named in the answer")
]
Bars: TypeAlias = Annotated[Timeframe, Meta(description="Length of the candles")]
AnyTimeframe: TypeAlias = Annotated[Timeframe | None, Meta(description="Of the bar it was made at")]
AnyDirection: TypeAlias = Annotated[Direction | None, Meta(description="Where it points")]
AnyOrigin: TypeAlias = Annotated[Origin | None, Meta(description="Where its data was born")]
SignalId: TypeAlias = Annotated[str, Meta(max_length=200, description="As `/v1/signals` lists it")]
Cursor: TypeAlias = Annotated[
    Annotated[str, Meta(max_length=512)] | None, Meta(description="`next_cursor` of the page before")
]
Nanos: TypeAlias = Annotated[
    Annotated[int, Meta(ge=0, le=MAX_NS)] | None,
    Meta(description="Nanoseconds since the epoch, UTC; ranges are [from_ns, to_ns)"),
]
