"""Times as text in, nanoseconds since the epoch out, exactly: no float, and no digit is lost. Pure."""

import datetime as dt
import re
from typing import Annotated, Final

from msgspec import Meta, ValidationError

from libs.common.events.words import SECOND_NS

FIRST_YEAR: Final = 2001
LAST_YEAR: Final = 2254
"""What fits the other venues' milliseconds."""

_EPOCH_DAY: Final = dt.date(1970, 1, 1).toordinal()
_DAY_S: Final = 86_400
_SECONDS: Final = re.compile(r"([1-8][0-9]{9})(?:\.([0-9]{1,9}))?")

Moment = Annotated[
    str,
    Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?Z\Z"),
]
"""ISO 8601 (RFC 3339), UTC, with up to nine digits behind the point."""


def moment_ns(text: str) -> int:
    """Return the nanoseconds since the epoch of a `Moment`.

    Raises:
        ValidationError: `text` names no day, or one before 2001 or after 2254.
    """
    year = int(text[:4])
    try:
        days = dt.date(year, int(text[5:7]), int(text[8:10])).toordinal() - _EPOCH_DAY
    except ValueError as e:
        raise ValidationError(f"{text} is no time: {e}") from None
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise ValidationError(f"{text} is not between {FIRST_YEAR} and {LAST_YEAR}")
    seconds = days * _DAY_S + int(text[11:13]) * 3600 + int(text[14:16]) * 60 + int(text[17:19])
    return seconds * SECOND_NS + int(text[20:-1].ljust(9, "0"))


def moment(at_ns: int) -> str:
    """Return a time as ISO 8601 with seven digits behind the point; the rest is cut off."""
    days, within_ns = divmod(at_ns, _DAY_S * SECOND_NS)
    day = dt.date.fromordinal(_EPOCH_DAY + days)
    seconds, rest_ns = divmod(within_ns, SECOND_NS)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{day.isoformat()}T{hour:02}:{minute:02}:{second:02}.{rest_ns // 100:07}Z"


def seconds_ns(text: str) -> int:
    """Return seconds since the epoch, written with a fraction or without one, as nanoseconds.

    Raises:
        ValidationError: `text` is none, or not between 2001 and 2255.
    """
    found = _SECONDS.fullmatch(text)
    if not found:
        raise ValidationError(f"{text[:40]} is no time in seconds")
    return int(found[1]) * SECOND_NS + int((found[2] or "").ljust(9, "0"))
