"""Pages of one market's lists: which stretch is wanted, where the page before ended, and whether there is more."""

import struct
from collections.abc import Sequence
from typing import Annotated, Any, Final

from msgspec import Meta

from services.gateway.board import Standing
from services.gateway.operations.desk import Desk
from services.gateway.operations.fields import Cursor, Nanos
from services.gateway.operations.markets import OfMarket
from services.gateway.problems import field_problem
from services.gateway.store.flows import MAX_NS, Span

OF_MARKET: Final = ("unknown_symbol", "unknown_venue")
"""Problems of every operation on one market."""


class Stretch(OfMarket, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A stretch of one list of one market, newest first."""

    from_ns: Nanos = None
    to_ns: Nanos = None
    cursor: Cursor = None
    limit: Annotated[int, Meta(ge=1, le=500, description="Items a page")] = 100


def span_of(from_ns: int | None, to_ns: int | None, limit: int) -> Span:
    """Return the stretch to read: one item more than asked for tells whether there are more.

    Raises:
        Problem: it ends before it begins.
    """
    if to_ns is not None and to_ns < (from_ns or 0):
        raise field_problem("invalid_parameter", "to_ns", "is before from_ns; the range is [from_ns, to_ns)")
    return Span(from_ns=from_ns or 0, to_ns=MAX_NS if to_ns is None else to_ns, limit=limit + 1)


async def market_page(desk: Desk, kind: str, wanted: Stretch) -> tuple[Standing, Span, int | None]:
    """Return the market, the stretch, and the time before which to go on; a list stays at the venue it began with.

    Raises:
        Problem: no such market, a wrong range, or no cursor of this list.
    """
    span = span_of(wanted.from_ns, wanted.to_ns, wanted.limit)
    place = desk.board.place(kind, wanted.cursor, int, str)
    after_ns, venue = place.at if place else (None, wanted.venue)
    return await desk.board.standing(wanted.symbol, wanted.venue or venue), span, after_ns


def bits(value: float) -> int:
    """Return a number as the integer that a cursor can hold; `from_bits` reads it back."""
    return int(struct.unpack(">q", struct.pack(">d", value))[0])


def from_bits(value: int) -> float:
    """Return the number that `bits` held."""
    return float(struct.unpack(">d", struct.pack(">q", value))[0])


def cut(desk: Desk, kind: str, market: Standing, rows: Sequence[Any], limit: int) -> dict[str, Any]:
    """Return `has_more` and `next_cursor` of rows that have an event_ns of their own."""
    more = len(rows) > limit
    word = desk.board.word(kind, rows[limit - 1]["event_ns"], market.row.venue) if more else None
    return {"has_more": more, "next_cursor": word}
