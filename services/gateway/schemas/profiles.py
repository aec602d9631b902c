"""Views of what markets hold by price: resting orders, volume, liquidations. Pure."""

from collections.abc import Sequence
from typing import Any

from libs.common.events import Profile, ProfileKind, ProfileRow
from services.gateway.schemas.provenance import OfMarket
from services.gateway.schemas.times import age_s, rfc3339


class ProfileAnswer(OfMarket, frozen=True, kw_only=True):
    """What one market holds by price, in bins of one width, ascending."""

    kind: ProfileKind
    cause: str | None
    """Why there are no rows: `none_told`, or the engine's word."""
    profile_ns: int | None
    """Up to when the market was used."""
    profile_time: str | None
    profile_seen_ns: int | None
    profile_age_s: float | None
    from_ns: int | None
    """Since when it was gathered; absent where it is a state or forgets."""
    width: float | None
    """Of every bin, quote currency: a row covers [low, low + width)."""
    rows: list[tuple[float, float, float]]
    """(low, a, b), base units. `volume`: a bought and b sold by takers. `book`: a of bids, b of asks. `liquidations`:
    a of longs, b of shorts, a lower bound."""
    left_out: int
    """Rows farther from the price than those."""


def rows_near(rows: Sequence[ProfileRow], price: float | None, width: float | None, limit: int) -> list[ProfileRow]:
    """Return at most `limit` rows, those nearest `price` (without one: the lowest), ascending."""
    if price is None or width is None:
        return list(rows[:limit])
    middle = price - width / 2
    nearest = sorted(rows, key=lambda row: (abs(row.low - middle), row.low))[:limit]
    return sorted(nearest, key=lambda row: row.low)


def profile_fields(
    profile: Profile | None, seen_ns: int, now_ns: int, price: float | None, limit: int
) -> dict[str, Any]:
    """Return the fields of `ProfileAnswer` below its head and kind."""
    rows = rows_near(profile.rows, price, profile.width, limit) if profile else []
    return {
        "cause": profile.cause if profile else "none_told",
        "profile_ns": profile.as_of_ns if profile else None,
        "profile_time": rfc3339(profile.as_of_ns) if profile else None,
        "profile_seen_ns": seen_ns if profile else None,
        "profile_age_s": age_s(seen_ns, now_ns) if profile else None,
        "from_ns": profile.from_ns if profile else None,
        "width": profile.width if profile else None,
        "rows": [(row.low, row.a, row.b) for row in rows],
        "left_out": profile.left_out + len(profile.rows) - len(rows) if profile else 0,
    }
