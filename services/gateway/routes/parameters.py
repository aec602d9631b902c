"""Parameters that several routes share."""

from typing import Annotated, TypeAlias

from litestar.params import PathParameter, QueryParameter

from libs.common.events import Direction, Origin, Timeframe

_SYMBOL = "A canonical symbol: `BTC-USDT-PERP`"
_VENUE = "A venue, for instance `okx`"

SymbolPath: TypeAlias = Annotated[str, PathParameter(max_length=80, description=_SYMBOL)]
SymbolQuery: TypeAlias = Annotated[str | None, QueryParameter(max_length=80, description=_SYMBOL)]
SignalIdPath: TypeAlias = Annotated[str, PathParameter(max_length=200, description="As `/v1/signals` lists it")]
VenueQuery: TypeAlias = Annotated[str | None, QueryParameter(max_length=64, description=_VENUE)]
ChosenVenueQuery: TypeAlias = Annotated[
    str | None,
    QueryParameter(
        max_length=64, description=f"{_VENUE}. Without it: the one with the newest data, named in the answer"
    ),
]
TimeframeQuery: TypeAlias = Annotated[Timeframe, QueryParameter(description="Length of the candles")]
AnyTimeframeQuery: TypeAlias = Annotated[Timeframe | None, QueryParameter(description="Of the bar it was made at")]
DirectionQuery: TypeAlias = Annotated[Direction | None, QueryParameter(description="Where it points")]
OriginQuery: TypeAlias = Annotated[Origin | None, QueryParameter(description="Where its data was born")]
CursorQuery: TypeAlias = Annotated[
    str | None, QueryParameter(max_length=512, description="`next_cursor` of the page before")
]
NanosQuery: TypeAlias = Annotated[
    int | None,
    QueryParameter(ge=0, le=2**63 - 1, description="Nanoseconds since the epoch, UTC; ranges are [from_ns, to_ns)"),
]
