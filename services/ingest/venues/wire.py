"""What every venue's parser shares: checked wire types, the limits of a frame, and the making of rejects. Pure."""

from typing import Annotated, Final, TypedDict

import msgspec
from msgspec import Meta, ValidationError

from libs.common.events import Origin
from services.ingest.venues.terms import Instrument, Rejected

FRAME_LIMIT: Final = 4 * 1024 * 1024
"""Bytes; the largest honest frame, a 1,000-level book, is below 100 KiB."""
PAYLOAD_LIMIT: Final = 4096
"""Bytes of a rejected frame that are kept."""
MILLISECOND_NS: Final = 1_000_000

LEAST: Final = 1e-18
"""A price or a size below that is none; dividing by it stays finite."""
Price = Annotated[float, Meta(ge=LEAST, le=1e18)]
"""Quote currency per base unit. The bounds refuse NaN and infinity, and keep products finite."""
Size = Annotated[float, Meta(ge=LEAST, le=1e18)]
"""Something was traded: more than nothing, in the venue's unit."""
LevelSize = Annotated[float, Meta(ge=0, le=1e18)]
"""What rests at a price; 0 removes the level."""
FIRST_MS: Final = 1_000_000_000_000
"""2001-09-09; what is earlier is no time in milliseconds."""
Millis = Annotated[int, Meta(ge=FIRST_MS, le=9_000_000_000_000)]
"""Milliseconds since the epoch, 2001 to 2255: seconds, microseconds and nanoseconds do not pass."""
MillisOrZero = Annotated[int, Meta(ge=0, le=9_000_000_000_000)]
"""Milliseconds since the epoch, where 0 says that there is none."""
Rate = Annotated[float, Meta(ge=-10, le=10)]
"""Funding as a fraction; 10 is 1,000 % an interval."""
Sequence = Annotated[int, Meta(ge=0, le=2**62)]

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding may raise; the recursion limit is what stops a nesting bomb."""


class Stamp(TypedDict):
    """What every event of one row says of itself; `**` keeps it type-checked."""

    venue: str
    symbol: str
    event_ns: int
    received_ns: int
    origin: Origin


class UnknownInstrumentError(LookupError):
    """A name that is not in the venue's catalogue."""


def nanos(millis: int) -> int:
    """Return milliseconds as nanoseconds."""
    return millis * MILLISECOND_NS


def known_ns(millis: str) -> int | None:
    """Return a quoted time of a catalogue as nanoseconds; None where it says none: empty, 0, or no time at all."""
    try:
        return nanos(msgspec.convert(millis, Millis, strict=False))
    except ValidationError:
        return None


def positive(text: str) -> float:
    """Return a number of a catalogue, such as a step or a face value.

    Raises:
        ValidationError: `text` is none, or not above zero.
    """
    return msgspec.convert(text, Price, strict=False)


def rate(text: str) -> float:
    """Return a funding rate.

    Raises:
        ValidationError: `text` is none.
    """
    return msgspec.convert(text, Rate, strict=False)


def rejected(reason: str, detail: str, frame: bytes) -> Rejected:
    """Return the reject of `frame`; only its first 4 KiB are kept."""
    return Rejected(reason=reason, detail=detail, payload=bytes(frame[:PAYLOAD_LIMIT]))


def unreadable(error: Exception, frame: bytes) -> Rejected:
    """Return the reject of a frame that raised one of `UNREADABLE`: `value` where it was JSON, else `decode`."""
    reason = "value" if isinstance(error, ValidationError) else "decode"
    return rejected(reason, str(error), frame)


def base_size(instrument: Instrument, size: float, price: float) -> float:
    """Return `size`, in the venue's unit, in base units at `price`.

    Linear: contracts x face value. Inverse: contracts x face value in quote currency / price.
    """
    if instrument.inverse:
        return size * instrument.contract_size / price
    return size * instrument.contract_size
