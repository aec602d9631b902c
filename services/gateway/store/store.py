"""The past, in PostgreSQL: batches of events in, idempotently; pages of them out."""

from collections.abc import Sequence
from typing import Any, Final

import asyncpg
from msgspec import Struct

from libs.common.events import Candle, Delivery, Direction, Gap, Origin, Timeframe
from services.gateway.access.keys import KeyRow
from services.gateway.schemas.signals import StoredSignal
from services.gateway.store import keys, rows, statements
from services.gateway.store.cursor import Place
from services.gateway.store.feed import Feed
from services.gateway.store.flows import Flows
from services.gateway.store.lookups import Lookups
from services.gateway.store.readings import Readings
from services.gateway.store.record import Record
from services.gateway.store.rows import MarketRow
from services.gateway.store.signalling import Signalling

_MAX_NS: Final = 2**63 - 1
_TIMEOUT_S: Final = 10.0


class SignalFilter(Struct, frozen=True, kw_only=True):
    """Which signals; an absent field means any."""

    symbol: str | None = None
    venue: str | None = None
    timeframe: Timeframe | None = None
    direction: Direction | None = None
    origin: Origin | None = None
    from_ns: int | None = None
    """Of its bar's close; [from_ns, to_ns)."""
    to_ns: int | None = None


class Batch(Struct, kw_only=True):
    """What one batch of records says, by table; written in one transaction."""

    markets: dict[tuple[str, str], MarketRow] = {}
    candles: list[Candle] = []
    gaps: list[Gap] = []


class Store:
    """The tables of schema `gateway`. Writing twice is writing once."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._keys = Lookups(lambda key_ids: keys.find_many(self._pool, key_ids))
        self._pool: Any = None
        self.flows = Flows(lambda: self._pool)
        self.readings = Readings(lambda: self._pool)
        self.record = Record(lambda: self._pool)
        self.signalling = Signalling(lambda: self._pool)
        self.feed = Feed(lambda: self._pool)

    @property
    def pool(self) -> Any:
        """The connections, an `asyncpg.Pool`; None before `start`."""
        return self._pool

    async def start(self) -> None:
        """Connect."""
        self._pool = await asyncpg.create_pool(self._dsn, min_size=1, max_size=8, command_timeout=_TIMEOUT_S)

    async def stop(self) -> None:
        """Disconnect."""
        if self._pool:
            await self._pool.close()

    async def fault(self) -> str | None:
        """Return why the database does not serve, or None."""
        try:
            await self._pool.fetchval("SELECT 1", timeout=1.5)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as e:
            return f"PostgreSQL: {type(e).__name__}"
        return None

    async def write(self, batch: Batch) -> None:
        """Write `batch`, all or nothing."""
        async with self._pool.acquire() as connection, connection.transaction():
            for sql, entries in (
                (statements.MARKET, [rows.of_market(row) for row in _ordered(batch.markets)]),
                (statements.CANDLE, [rows.of_candle(candle) for candle in batch.candles]),
                (statements.GAP, [rows.of_gap(gap) for gap in batch.gaps]),
            ):
                if entries:
                    await connection.executemany(sql, entries)

    async def touch(self, markets: Sequence[MarketRow]) -> None:
        """Remember that something of these markets came."""
        await self._pool.executemany(statements.MARKET, sorted(rows.of_market(row) for row in markets))

    async def markets(self, symbol: str | None = None) -> list[MarketRow]:
        """Return known markets (of one symbol), ordered by symbol and venue."""
        found = await self._pool.fetch(statements.MARKETS, symbol)
        return [
            MarketRow(
                venue=row["venue"],
                symbol=row["symbol"],
                origin=Origin(row["origin"]),
                event_ns=row["event_ns"],
                seen_ns=row["seen_ns"],
            )
            for row in found
        ]

    async def candles(
        self,
        market: MarketRow,
        timeframe: Timeframe,
        *,
        from_ns: int = 0,
        to_ns: int | None = None,
        limit: int,
    ) -> list[Candle]:
        """Return the newest `limit` candles that open in [from_ns, to_ns), newest first.

        Of two sources of one bar the closed one counts, then the one by REST.
        """
        found = await self._pool.fetch(
            statements.CANDLES,
            market.symbol,
            market.venue,
            timeframe,
            market.origin,
            from_ns,
            _MAX_NS if to_ns is None else to_ns,
            limit,
        )
        return [
            Candle(venue=market.venue, symbol=market.symbol, timeframe=timeframe, received_ns=row["event_ns"], **row)
            for row in found
        ]

    async def signals(self, wanted: SignalFilter, *, after: Place | None = None, limit: int) -> list[StoredSignal]:
        """Return the newest `limit` signals that fit, newest first, after the place `after`."""
        found = await self._pool.fetch(
            statements.SIGNALS,
            wanted.symbol,
            wanted.venue,
            wanted.timeframe,
            wanted.direction,
            wanted.origin,
            wanted.from_ns,
            wanted.to_ns,
            *(after.at if after else (None, None)),
            limit,
        )
        return [rows.to_signal(row) for row in found]

    async def signal(self, signal_id: str) -> StoredSignal | None:
        """Return one signal."""
        row = await self._pool.fetchrow(statements.SIGNAL_BY_ID, signal_id)
        return rows.to_signal(row) if row else None

    async def deliveries(self, signal_id: str) -> list[Delivery]:
        """Return what became of a signal's alerts, oldest first."""
        return [Delivery(**row) for row in await self._pool.fetch(statements.DELIVERIES, signal_id)]

    async def delivery_counts(self) -> dict[str, int]:
        """Return how many alerts are in each state."""
        return {row["state"]: row["n"] for row in await self._pool.fetch(statements.DELIVERY_COUNTS)}

    async def gap_counts(self) -> dict[tuple[str, str, str], tuple[int, int]]:
        """Return (gaps, of them open) by venue, symbol and stream."""
        found = await self._pool.fetch(statements.GAP_COUNTS)
        return {(row["venue"], row["symbol"], row["stream"]): (row["gaps"], row["open"]) for row in found}

    async def add_key(self, row: KeyRow) -> None:
        """Store a new key's hash."""
        await keys.add(self._pool, row)

    async def find_key(self, key_id: str) -> KeyRow | None:
        """Return the key of that id, revoked ones too."""
        return await self._keys.find(key_id)

    async def revoke_key(self, key_id: str, at_ns: int) -> bool:
        """Revoke a key; False: there is no such key."""
        return await keys.revoke(self._pool, key_id, at_ns)


def _ordered(markets: dict[tuple[str, str], MarketRow]) -> list[MarketRow]:
    return [markets[key] for key in sorted(markets)]  # two writers that lock in one order cannot deadlock
