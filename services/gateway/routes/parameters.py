"""Parameters that several routes share."""

from typing import Annotated, TypeAlias

from litestar.params import Parameter

from libs.common.events import Timeframe

TimeframeParameter: TypeAlias = Annotated[Timeframe, Parameter(description="Length of the candles")]
VenueParameter: TypeAlias = Annotated[
    str | None,
    Parameter(
        max_length=64,
        description="The venue, for instance `okx`. Without it: the one with the newest data, named in the answer",
    ),
]
SymbolParameter: TypeAlias = Annotated[str, Parameter(max_length=80, description="A canonical symbol: `BTC-USDT-PERP`")]
NanosParameter: TypeAlias = Annotated[
    int | None, Parameter(ge=0, lt=2**63, description="Nanoseconds since the epoch, UTC; ranges are [from_ns, to_ns)")
]
