"""Nanoseconds to what people read: RFC 3339 text, and ages in seconds. Pure."""

import datetime as dt
from typing import Final

_SECOND_NS: Final = 1_000_000_000


def rfc3339(ns: int) -> str:
    """Return `ns` as RFC 3339 text, UTC, with all nine decimals."""
    seconds, rest = divmod(ns, _SECOND_NS)
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def age_s(seen_ns: int, now_ns: int) -> float:
    """Return how long ago `seen_ns` was, in seconds with three decimals; never negative."""
    return round(max(0, now_ns - seen_ns) / _SECOND_NS, 3)
