"""What layers read, in PostgreSQL: readings of the past, structures as last told, the newest profiles by price."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from msgspec import Struct

from libs.common.bus.codec import decode, encode
from libs.common.events import MINUTE_NS, LayerReading, Profile, ProfileKind, Timeframe
from services.gateway.store import reading_statements as sql
from services.gateway.store.flows import Span
from services.gateway.store.rows import MarketRow
from services.gateway.store.structures import Key, Structure

_Row: TypeAlias = tuple[Any, ...]


class KeptReading(Struct, frozen=True, kw_only=True):
    """A reading of the past."""

    reading: LayerReading
    seen_ns: int


class KeptProfile(Struct, frozen=True, kw_only=True):
    """The newest profile of one kind."""

    profile: Profile
    seen_ns: int


class StructureFilter(Struct, frozen=True, kw_only=True):
    """Which structures; an absent field means any."""

    timeframe: Timeframe | None = None
    kind: str | None = None
    state: str | None = None
    side: int | None = None


class Readings:
    """The tables of what layers read. Writing twice is writing once, in any order."""

    def __init__(self, pool: Callable[[], Any]) -> None:
        self._pool = pool

    async def write(
        self,
        readings: Sequence[LayerReading],
        told: Mapping[Key, Structure],
        profiles: Sequence[Profile],
        seen_ns: int,
    ) -> None:
        """Write a batch, all or nothing."""
        first: dict[_Row, tuple[_Row, _Row]] = {}
        for reading in readings:
            key = slot_of(reading)
            body = encode(reading)
            rank = (reading.as_of_ns, body)
            if key not in first or rank < first[key][0]:
                values = (reading.as_of_ns, seen_ns, reading.score, reading.confidence, body)
                first[key] = rank, (*key, *values)
        newest: dict[_Row, tuple[_Row, _Row]] = {}
        for profile in profiles:
            body = encode(profile)
            place = (profile.symbol, profile.venue, profile.kind.value, str(profile.origin))
            rank = (profile.as_of_ns, body)
            if place not in newest or rank > newest[place][0]:
                newest[place] = rank, (*place, profile.as_of_ns, seen_ns, body)
        structures = [_structure(key, told[key], seen_ns) for key in sorted(told)]
        states = [(*key, state, at_ns) for key in sorted(told) for state, at_ns in sorted(told[key].states.items())]
        async with self._pool().acquire() as connection, connection.transaction():
            for statement, entries in (
                (sql.READING, [first[key][1] for key in sorted(first)]),  # in one order: no two writers can deadlock
                (sql.STRUCTURE, structures),
                (sql.STATE, states),
                (sql.PROFILE, [newest[key][1] for key in sorted(newest)]),
            ):
                if entries:
                    await connection.executemany(statement, entries)

    async def readings(
        self, market: MarketRow, layer: str, timeframe: Timeframe | None, span: Span, after_ns: int | None = None
    ) -> list[KeptReading]:
        """Return readings of one layer, newest first; of a layer that reads ticks the first of each minute."""
        own = market.symbol, market.venue, str(market.origin), layer, str(timeframe or "")
        found = await self._pool().fetch(sql.READINGS, *own, span.from_ns, span.to_ns, after_ns, span.limit)
        kept = [(decode(row["body"]), row["seen_ns"]) for row in found]
        return [KeptReading(reading=event, seen_ns=seen) for event, seen in kept if isinstance(event, LayerReading)]

    async def structures(
        self,
        market: MarketRow,
        wanted: StructureFilter,
        *,
        after: tuple[int, str, str] | None = None,
        limit: int,
    ) -> list[Any]:
        """Return rows of structures, the newest formed first."""
        rows: list[Any] = await self._pool().fetch(
            sql.STRUCTURES,
            market.symbol,
            market.venue,
            str(market.origin),
            wanted.timeframe,
            wanted.kind,
            wanted.state,
            wanted.side,
            *(after or (None, None, None)),
            limit,
        )
        return rows

    async def profile(self, market: MarketRow, kind: ProfileKind) -> KeptProfile | None:
        """Return the newest profile of one kind."""
        own = market.symbol, market.venue, kind.value, str(market.origin)
        row = await self._pool().fetchrow(sql.ONE_PROFILE, *own)
        event = decode(row["body"]) if row else None
        return KeptProfile(profile=event, seen_ns=row["seen_ns"]) if isinstance(event, Profile) else None


def slot_of(reading: LayerReading) -> tuple[str, str, str, str, str, int]:
    """Return what one stored reading stands for: a bar's close, or a minute of ticks."""
    at_ns = reading.as_of_ns
    slot_ns = at_ns if reading.timeframe else at_ns - at_ns % MINUTE_NS
    return reading.symbol, reading.venue, str(reading.origin), reading.layer, str(reading.timeframe or ""), slot_ns


def _structure(key: Key, structure: Structure, seen_ns: int) -> _Row:
    mark = structure.mark
    zone = (mark.kind, mark.side, mark.low, mark.high, mark.strength, mark.formed_ns, mark.known_ns, mark.state)
    return (*key, *zone, structure.said_ns, seen_ns)
