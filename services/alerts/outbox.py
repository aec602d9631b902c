"""Alerts in; each, at most one at a time and to one sender, out; and what became of it, kept in PostgreSQL.

    pending -> sending -> delivered | failed | pending (surely not sent: later) | ambiguous (nobody knows)
    ambiguous -> sending once more, marked as a possible repeat, unless it is only info
    pending -> expired; a sender that died while `sending` leaves `pending` (before it began) or `ambiguous` (after)

Every method is one transaction and takes the time. A claim carries a fencing token: whoever lost its lease changes
nothing any more. Each change worth telling writes its `Delivery` in the same transaction.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import asyncpg
import msgspec
from msgspec import Struct

from libs.common.bus.codec import decode, encode
from libs.common.events import SECOND_NS, Alert, Delivery, DeliveryState, Event, Origin, Severity
from services.alerts import metrics
from services.alerts.statements import (
    ANNOUNCEMENTS,
    BEGIN,
    CLAIM,
    ENQUEUE,
    EXPIRE,
    FREE_RECIPIENTS,
    HOLD,
    LOST,
    MOVE,
    PURGE,
    RECIPIENTS,
    RELEASE,
    SETTLE,
    WAITING,
)

log = logging.getLogger(__name__)

URGENCY: Final = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}
_ANNOUNCER_LOCK: Final = 0x637378_616C7274
_ANNOUNCEMENTS_AT_ONCE: Final = 500
STORE_ERRORS: Final = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""What a PostgreSQL that is down, restarting or unreachable raises."""


class Entry(Struct, frozen=True, kw_only=True):
    """An alert, and the market it is about."""

    alert: Alert
    venue: str
    symbol: str
    timeframe: str
    cooldown_s: int = 0


class Claim(Struct, frozen=True, kw_only=True):
    """One alert that this sender, and no other, may send until its lease ends."""

    alert_id: str
    signal_id: str
    channel: str
    recipient: str
    address: str
    """Where the recipient is now."""
    severity: Severity
    html: str
    text: str
    origin: Origin
    venue: str
    symbol: str
    cooldown_s: int
    valid_until_ns: int
    created_ns: int
    attempts: int
    """With this one."""
    repeated: bool
    """An earlier attempt may have arrived."""
    token: int
    last_delivered_ns: int | None
    """When the same rule last reached its recipient about the same venue, symbol and timeframe."""


class Outbox:
    """The durable queue; any number of processes may share it."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool

    async def enqueue(self, entries: Sequence[Entry], now_ns: int) -> int:
        """Take all entries, or none; one whose id is known is left as it is. Returns how many are new."""
        if not entries:
            return 0
        rows = msgspec.json.encode([_row(entry, now_ns) for entry in entries]).decode()
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(RECIPIENTS, rows)
            new = await connection.fetch(ENQUEUE, rows)
        for row in new:
            metrics.QUEUED.labels(row["channel"], row["severity"]).inc()
        return len(new)

    async def claim(self, now_ns: int, *, lease_ns: int, limit: int, busy: Sequence[str] = ()) -> list[Claim]:
        """Take the most urgent ready alert of up to `limit` recipients that are free and not `busy`.

        An alert waiting for its next attempt holds back the less urgent ones behind it: a chat is told in order.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            free = await connection.fetch(FREE_RECIPIENTS, now_ns, list(busy), limit)
            if not free:
                return []
            channels, recipients = [row["channel"] for row in free], [row["recipient"] for row in free]
            rows = await connection.fetch(CLAIM, channels, recipients, now_ns, now_ns + lease_ns)
        claims = [msgspec.convert(dict(row), Claim) for row in rows]
        for claim in claims:
            _count(claim.channel, claim.severity, DeliveryState.SENDING)
        return sorted(claims, key=lambda claim: (-URGENCY[claim.severity], claim.created_ns, claim.alert_id))

    async def begin(self, claim: Claim, now_ns: int, *, lease_ns: int) -> bool:
        """Record that the send is about to leave; False when the lease was lost, and nothing may be sent."""
        return await self._held(
            "begin", await self._pool.fetch(BEGIN, claim.alert_id, claim.token, now_ns, now_ns + lease_ns)
        )

    async def release(self, claim: Claim, now_ns: int, *, next_attempt_ns: int, reason: str) -> bool:
        """Give back an alert that surely was not sent."""
        rows = await self._pool.fetch(RELEASE, claim.alert_id, claim.token, now_ns, next_attempt_ns, reason)
        return await self._held("release", rows)

    async def hold(self, claim: Claim, now_ns: int, *, until_ns: int, reason: str) -> bool:
        """Give the alert back and send its recipient nothing before `until_ns`, whoever sends and restarts."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(HOLD, claim.channel, claim.recipient, until_ns)
            rows = await connection.fetch(RELEASE, claim.alert_id, claim.token, now_ns, until_ns, reason)
        return await self._held("hold", rows)

    async def move(self, claim: Claim, address: str, now_ns: int) -> bool:
        """Follow the recipient to another address, from now on, and give the alert back."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(MOVE, claim.channel, claim.recipient, address)
            rows = await connection.fetch(RELEASE, claim.alert_id, claim.token, now_ns, now_ns, f"moved to {address}")
        return await self._held("move", rows)

    async def settle(
        self,
        claim: Claim,
        state: DeliveryState,
        now_ns: int,
        *,
        message_id: str | None = None,
        reason: str | None = None,
        repeat_ns: int | None = None,
    ) -> bool:
        """Record what became of the attempt; False when the lease was lost, and another sender decides.

        `repeat_ns`: when to repeat an ambiguous one; it is repeated once at most.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            rows = await connection.fetch(
                SETTLE, claim.alert_id, claim.token, now_ns, state.value, message_id, reason, repeat_ns
            )
            await _announce(connection, rows)
        return await self._held("settle", rows)

    async def sweep(self, now_ns: int) -> int:
        """End what is out of date and take from dead senders what they held; return how many changed."""
        async with self._pool.acquire() as connection, connection.transaction():
            changed = [*await connection.fetch(EXPIRE, now_ns), *await connection.fetch(LOST, now_ns)]
            await _announce(connection, changed)
        return len(changed)

    async def purge(self, before_ns: int) -> int:
        """Forget what ended before `before_ns`; return how many."""
        return len(await self._pool.fetch(PURGE, before_ns))

    async def announce(self, publish: Callable[[Sequence[Event]], Awaitable[None]]) -> int:
        """Publish what was not yet published, oldest first, one process at a time; return how many.

        At least once: a death between the broker's answer and our commit publishes the same events again.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", _ANNOUNCER_LOCK):
                return 0
            rows = await connection.fetch(ANNOUNCEMENTS, _ANNOUNCEMENTS_AT_ONCE)
            if not rows:
                return 0
            events = [decode(row["event"]) for row in rows]
            await publish(events)
            await connection.execute(
                "DELETE FROM alerts.announcements WHERE seq = ANY($1::bigint[])", [row["seq"] for row in rows]
            )
        for event in events:
            if isinstance(event, Delivery):
                metrics.ANNOUNCED.labels(event.state).inc()
        return len(events)

    async def waiting(self, now_ns: int) -> tuple[int, float]:
        """Return how many alerts have an attempt ahead, and the age of the oldest in seconds."""
        row = await self._pool.fetchrow(WAITING)
        return row["waiting"], max(0, now_ns - (row["oldest_ns"] or now_ns)) / SECOND_NS

    async def rows(self, *, state: str | None, limit: int) -> list[Mapping[str, Any]]:
        """Return the newest alerts, with everything but their words; for a person."""
        found = await self._pool.fetch(
            "SELECT alert_id, signal_id, rule_id, channel, recipient, severity, state, attempts, message_id, reason,"
            " origin, venue, symbol, timeframe, created_ns, updated_ns, valid_until_ns FROM alerts.outbox"
            " WHERE $1::text IS NULL OR state = $1 ORDER BY created_ns DESC, alert_id LIMIT $2",
            state,
            limit,
        )
        return [dict(row) for row in found]

    async def _held(self, step: str, rows: Sequence[Any]) -> bool:
        if rows:
            return True
        metrics.FENCED.labels(step).inc()
        log.warning("the lease on an alert was lost", extra={"step": step})
        return False


async def _announce(connection: Any, rows: Sequence[Any]) -> None:
    for row in rows:
        _count(row["channel"], row["severity"], row["state"])
    events = [(encode(_delivery(row)),) for row in rows if row["state"] not in {"pending", "sending"}]
    await connection.executemany("INSERT INTO alerts.announcements (event) VALUES ($1)", events)


def _delivery(row: Any) -> Delivery:
    return Delivery(
        alert_id=row["alert_id"],
        signal_id=row["signal_id"],
        channel=row["channel"],
        recipient=row["recipient"],
        state=DeliveryState(row["state"]),
        attempts=row["attempts"],
        at_ns=row["updated_ns"],
        message_id=row["message_id"],
        reason=row["reason"],
        venue=row["venue"],
        symbol=row["symbol"],
        origin=Origin(row["origin"]),
    )


def _row(entry: Entry, now_ns: int) -> dict[str, Any]:
    alert = entry.alert
    return {
        **{name: getattr(alert, name) for name in _ALERT_COLUMNS},
        "urgency": URGENCY[alert.severity],
        "venue": entry.venue,
        "symbol": entry.symbol,
        "timeframe": entry.timeframe,
        "cooldown_s": entry.cooldown_s,
        "updated_ns": now_ns,
        "next_attempt_ns": now_ns,
    }


_ALERT_COLUMNS: Final = Alert.__struct_fields__


def _count(channel: str, severity: str, state: str) -> None:
    metrics.TRANSITIONS.labels(channel, severity, state).inc()
