"""The past, in PostgreSQL: batches of events in, idempotently; pages of them out."""

from collections.abc import Sequence
from typing import Any, Final

import asyncpg
from msgspec import Struct

from libs.common.bus.codec import decode, encode
from libs.common.events import Candle, Decision, Delivery, Direction, Gap, Origin, Signal, Timeframe, Verdict
from services.gateway import statements
from services.gateway.auth import KeyRow
from services.gateway.cursor import Place
from services.gateway.schemas import StoredSignal

_MAX_NS: Final = 2**63 - 1
_TIMEOUT_S: Final = 10.0


class MarketRow(Struct, frozen=True, kw_only=True):
    """A market and when something of it came last."""

    venue: str
    symbol: str
    origin: Origin
    event_ns: int
    seen_ns: int


class SignalFilter(Struct, frozen=True, kw_only=True):
    """Which signals; an absent field means any."""

    symbol: str | None = None
    venue: str | None = None
    timeframe: Timeframe | None = None
    direction: Direction | None = None
    origin: Origin | None = None


class Batch(Struct, kw_only=True):
    """What one batch of records says, by table; written in one transaction."""

    markets: dict[tuple[str, str], MarketRow] = {}
    candles: list[Candle] = []
    signals: list[Signal] = []
    verdicts: list[Verdict] = []
    deliveries: list[Delivery] = []
    gaps: list[Gap] = []


class Store:
    """The tables of schema `gateway`. Writing twice is writing once."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._pool: Any = None

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

    async def write(self, batch: Batch, seen_ns: int) -> None:
        """Write `batch`, all or nothing."""
        async with self._pool.acquire() as connection, connection.transaction():
            for sql, rows in (
                (statements.MARKET, [_market(row) for row in _ordered(batch.markets)]),
                (statements.CANDLE, [_candle(candle) for candle in batch.candles]),
                (statements.SIGNAL, [_signal(signal, seen_ns) for signal in batch.signals]),
                (statements.VERDICT, [_verdict(verdict, seen_ns) for verdict in batch.verdicts]),
                (statements.DELIVERY, [_delivery(delivery) for delivery in batch.deliveries]),
                (statements.GAP, [_gap(gap) for gap in batch.gaps]),
            ):
                if rows:
                    await connection.executemany(sql, rows)

    async def touch(self, markets: Sequence[MarketRow]) -> None:
        """Remember that something of these markets came."""
        await self._pool.executemany(statements.MARKET, sorted(_market(row) for row in markets))

    async def markets(self, symbol: str | None = None) -> list[MarketRow]:
        """Return known markets (of one symbol), ordered by symbol and venue."""
        rows = await self._pool.fetch(statements.MARKETS, symbol)
        return [
            MarketRow(
                venue=row["venue"],
                symbol=row["symbol"],
                origin=Origin(row["origin"]),
                event_ns=row["event_ns"],
                seen_ns=row["seen_ns"],
            )
            for row in rows
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
        rows = await self._pool.fetch(
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
            for row in rows
        ]

    async def signals(self, wanted: SignalFilter, *, after: Place | None = None, limit: int) -> list[StoredSignal]:
        """Return the newest `limit` signals that fit, newest first, after the place `after`."""
        rows = await self._pool.fetch(
            statements.SIGNALS,
            wanted.symbol,
            wanted.venue,
            wanted.timeframe,
            wanted.direction,
            wanted.origin,
            after.as_of_ns if after else None,
            after.signal_id if after else None,
            limit,
        )
        return [_stored(row) for row in rows]

    async def signal(self, signal_id: str) -> StoredSignal | None:
        """Return one signal."""
        row = await self._pool.fetchrow(statements.SIGNAL_BY_ID, signal_id)
        return _stored(row) if row else None

    async def deliveries(self, signal_id: str) -> list[Delivery]:
        """Return what became of a signal's alerts, oldest first."""
        return [Delivery(**row) for row in await self._pool.fetch(statements.DELIVERIES, signal_id)]

    async def delivery_counts(self) -> dict[str, int]:
        """Return how many alerts are in each state."""
        return {row["state"]: row["n"] for row in await self._pool.fetch(statements.DELIVERY_COUNTS)}

    async def gap_counts(self) -> dict[tuple[str, str, str], tuple[int, int]]:
        """Return (gaps, of them open) by venue, symbol and stream."""
        rows = await self._pool.fetch(statements.GAP_COUNTS)
        return {(row["venue"], row["symbol"], row["stream"]): (row["gaps"], row["open"]) for row in rows}

    async def add_key(self, row: KeyRow) -> None:
        """Store a new key's hash."""
        await self._pool.execute(statements.ADD_KEY, row.key_id, row.name, row.digest, list(row.scopes), row.created_ns)

    async def find_key(self, key_id: str) -> KeyRow | None:
        """Return the key of that id, revoked ones too."""
        row = await self._pool.fetchrow(statements.FIND_KEY, key_id)
        return _key(row) if row else None

    async def keys(self) -> list[KeyRow]:
        """Return every key, newest first."""
        return [_key(row) for row in await self._pool.fetch(statements.KEYS)]

    async def revoke_key(self, key_id: str, at_ns: int) -> bool:
        """Revoke a key; False: there is no such key."""
        return bool(await self._pool.fetchval(statements.REVOKE_KEY, key_id, at_ns))

    async def touch_key(self, key_id: str, used_ns: int) -> None:
        """Remember a key's last use."""
        await self._pool.execute(statements.TOUCH_KEY, key_id, used_ns)


def _ordered(markets: dict[tuple[str, str], MarketRow]) -> list[MarketRow]:
    return [markets[key] for key in sorted(markets)]  # two writers that lock in one order cannot deadlock


def _market(row: MarketRow) -> tuple[Any, ...]:
    return row.symbol, row.venue, str(row.origin), row.event_ns, row.seen_ns


def _candle(candle: Candle) -> tuple[Any, ...]:
    return (
        candle.venue,
        candle.symbol,
        str(candle.timeframe),
        str(candle.origin),
        candle.open_ns,
        str(candle.source),
        candle.event_ns,
        candle.open,
        candle.high,
        candle.low,
        candle.close,
        candle.volume,
        candle.taker_buy_volume,
        candle.trades,
        candle.closed,
        candle.complete,
    )


def _signal(signal: Signal, seen_ns: int) -> tuple[Any, ...]:
    return (
        signal.signal_id,
        signal.venue,
        signal.symbol,
        str(signal.timeframe),
        str(signal.origin),
        str(signal.direction),
        signal.as_of_ns,
        seen_ns,
        encode(signal),
    )


def _verdict(verdict: Verdict, seen_ns: int) -> tuple[Any, ...]:
    judged = (str(verdict.decision), verdict.rationale, verdict.judge, verdict.decided_ns)
    return (*_signal(verdict.signal, seen_ns), *judged)


def _delivery(delivery: Delivery) -> tuple[Any, ...]:
    return (
        delivery.alert_id,
        delivery.signal_id,
        delivery.channel,
        delivery.recipient,
        str(delivery.state),
        delivery.attempts,
        delivery.at_ns,
        delivery.message_id,
        delivery.reason,
        str(delivery.origin),
    )


def _gap(gap: Gap) -> tuple[Any, ...]:
    return (
        gap.venue,
        gap.symbol,
        gap.stream,
        gap.from_ns,
        gap.to_ns,
        gap.event_ns,
        gap.cause,
        gap.recovered,
        str(gap.origin),
    )


def _stored(row: Any) -> StoredSignal:
    signal = decode(row["body"])
    assert isinstance(signal, Signal)
    return StoredSignal(
        signal=signal,
        seen_ns=row["seen_ns"],
        decision=Decision(row["decision"]) if row["decision"] else None,
        rationale=row["rationale"],
        judge=row["judge"],
        decided_ns=row["decided_ns"],
    )


def _key(row: Any) -> KeyRow:
    return KeyRow(
        key_id=row["key_id"],
        name=row["name"],
        digest=row["digest"],
        scopes=tuple(row["scopes"]),
        created_ns=row["created_ns"],
        revoked_ns=row["revoked_ns"],
        used_ns=row["used_ns"],
    )
