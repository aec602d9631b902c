"""Alerts in; each, at most one at a time and to one sender, out; and what became of it, kept in PostgreSQL.

    pending -> sending -> delivered | failed | pending (surely not sent: later) | ambiguous (nobody knows)
    ambiguous -> sending once more, marked as a possible repeat, unless it is only info
    pending -> expired; what its recipient does not want now begins as expired, or as rolled_up: told in a digest
    a sender that died while `sending` leaves `pending` (before it began) or `ambiguous` (after)

Every method is one transaction and takes the time. A claim carries a fencing token: whoever lost its lease changes
nothing any more. Each change worth telling writes its `Delivery` in the same transaction.
"""

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Final

import asyncpg
import msgspec

from libs.common.bus.codec import decode
from libs.common.events import SECOND_NS, Delivery, DeliveryState, Event
from services.alerts import metrics
from services.alerts.policy.budget import Limits
from services.alerts.policy.pace import Pace
from services.alerts.store import digests, enqueuing, gone, lives, offsets, second, subscribers
from services.alerts.store.enqueuing import announce
from services.alerts.store.pacing import Pacing
from services.alerts.store.rows import Claim, Entry, Placed
from services.alerts.store.statements import (
    ANNOUNCEMENTS,
    BEGIN,
    CLAIM,
    EXPIRE,
    FREE_RECIPIENTS,
    HOLD,
    LOST,
    MOVE,
    PURGE,
    RELEASE,
    SETTLE,
    STOP,
    WAITING,
)

log = logging.getLogger(__name__)

_ANNOUNCER_LOCK: Final = 0x637378_616C7274
_SWEEPER_LOCK: Final = 0x637378_73776570
_ANNOUNCEMENTS_AT_ONCE: Final = 500
STORE_ERRORS: Final = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""What a PostgreSQL that is down, restarting or unreachable raises."""


class Outbox:
    """The durable queue; any number of processes may share it."""

    def __init__(
        self,
        pool: "asyncpg.Pool[asyncpg.Record]",
        paces: Mapping[str, Pace] | None = None,
        *,
        limits: Mapping[str, Limits] | None = None,
        owners: Sequence[subscribers.Key] = (),
        second_of: Mapping[subscribers.Key, subscribers.Key] | None = None,
    ) -> None:
        """Take, by channel, what recipients who did not say hear at most, and where who runs this is told of trouble.

        `owners` are channels and recipients; `second_of` names where critical alerts go that wait for too long.
        """
        self._pool = pool
        self._pacing = Pacing(paces)
        self._limits = limits or {}
        self._owners = tuple(owners)
        self._second_of = second_of or {}

    async def enqueue(self, entries: Sequence[Entry], now_ns: int) -> int:
        """Take all entries, or none; one whose id is known is left as it is. Returns how many are new."""
        async with self._pool.acquire() as connection, connection.transaction():
            return len(await self.insert(connection, entries, now_ns))

    async def insert(self, connection: Any, entries: Sequence[Entry], now_ns: int) -> list[Any]:
        """Do the same within the caller's transaction; return the new rows that wait, for their turn or a digest."""
        return await enqueuing.insert(connection, entries, now_ns, limits=self._limits)

    async def take(self, topic: str, placed: Sequence[Placed], now_ns: int) -> int:
        """Take what records led to together with the offsets they stand at, or nothing; return how many are new.

        A record below its partition's stored offset is passed over: whoever took it had the partition before us, or
        has it after us.
        """
        reached = {one.partition: max(o.offset for o in placed if o.partition == one.partition) + 1 for one in placed}
        async with self._pool.acquire() as connection, connection.transaction():
            stands = await offsets.lock(connection, topic, list(reached))
            fresh = [one for one in placed if one.offset >= stands[one.partition]]
            new = await self.insert(connection, [entry for one in fresh for entry in one.entries], now_ns)
            for one in fresh:
                if one.told is not None:
                    stale = await lives.follow(connection, one.told, now_ns, wanted=bool(one.entries))
                    await announce(connection, stale)
            ahead = {partition: max(place, stands[partition]) for partition, place in reached.items()}
            await offsets.advance(connection, topic, ahead)
        metrics.PASSED_OVER.labels(topic).inc(len(placed) - len(fresh))
        return len(new)

    async def step(self, now_ns: int) -> int:
        """Queue what shows people how far signals they were told of have come; return how many."""
        async with self._pool.acquire() as connection, connection.transaction():
            return len(await self.insert(connection, await lives.steps(connection, now_ns), now_ns))

    async def repeat_elsewhere(self, now_ns: int) -> int:
        """Queue critical alerts that wait for too long in their recipients' second channels; return how many."""
        async with self._pool.acquire() as connection, connection.transaction():
            late = await second.waiting(connection, self._second_of, now_ns)
            return len(await self.insert(connection, late, now_ns))

    async def digest(self, now_ns: int) -> int:
        """Write the digests that are due; return how many are new. One transaction for each recipient."""
        new = 0
        for key in await digests.due(self._pool, now_ns):
            async with self._pool.acquire() as connection, connection.transaction():
                new += await digests.write(connection, key, now_ns, limits=self._limits)
        return new

    async def places(self, topic: str, log_of: Mapping[int, tuple[int, int]]) -> dict[int, int]:
        """Return where to go on reading `topic`; `log_of` tells (first offset, end) of each partition's log."""
        return await offsets.stored(self._pool, topic, log_of)

    async def claim(self, channel: str, now_ns: int, *, lease_ns: int, limit: int) -> list[Claim]:
        """Take the most urgent ready alert of up to `limit` recipients of `channel`, within the pace all senders share.

        An alert waiting for its next attempt holds back the less urgent ones behind it: a chat is told in order.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            most = min(limit, await self._pacing.room(connection, channel, now_ns))
            free = await connection.fetch(FREE_RECIPIENTS, now_ns, channel, most) if most > 0 else []
            if not free:
                return []
            recipients = [row["recipient"] for row in free]
            rows = await connection.fetch(CLAIM, [channel] * len(free), recipients, now_ns, now_ns + lease_ns)
            await self._pacing.claimed(connection, channel, len(rows), now_ns)
        claims = [msgspec.convert(dict(row), Claim) for row in rows]
        for claim in claims:
            metrics.TRANSITIONS.labels(claim.channel, claim.severity, DeliveryState.SENDING).inc()
        return sorted(claims, key=lambda claim: (-claim.urgency, claim.created_ns, claim.alert_id))

    async def next_ns(self, channel: str, now_ns: int) -> int | None:
        """Return when more may be claimed than now; None while nothing of `channel` waits."""
        async with self._pool.acquire() as connection, connection.transaction():
            return await self._pacing.next_ns(connection, channel, now_ns)

    async def stop_all(self, channel: str, now_ns: int, *, until_ns: int) -> None:
        """Tell nobody anything before `until_ns`, and be slower from then on: all of `channel` was too fast."""
        async with self._pool.acquire() as connection, connection.transaction():
            await self._pacing.stop(connection, channel, now_ns, until_ns)

    async def begin(self, claim: Claim, now_ns: int, *, lease_ns: int) -> bool:
        """Record that the send is about to leave; False when the lease was lost, and nothing may be sent."""
        return await self._held(
            "begin", await self._pool.fetch(BEGIN, claim.alert_id, claim.token, now_ns, now_ns + lease_ns)
        )

    async def release(self, claim: Claim, now_ns: int, *, next_attempt_ns: int, reason: str) -> bool:
        """Give back an alert that surely was not sent."""
        async with self._pool.acquire() as connection, connection.transaction():
            await self._pacing.spend(connection, claim, now_ns)
            rows = await connection.fetch(RELEASE, claim.alert_id, claim.token, now_ns, next_attempt_ns, reason)
        return await self._held("release", rows)

    async def hold(self, claim: Claim, now_ns: int, *, until_ns: int, reason: str) -> bool:
        """Give the alert back and send its recipient nothing before `until_ns`, whoever sends and restarts."""
        async with self._pool.acquire() as connection, connection.transaction():
            await self._pacing.spend(connection, claim, now_ns)
            await connection.execute(HOLD, claim.channel, claim.recipient, until_ns)
            rows = await connection.fetch(RELEASE, claim.alert_id, claim.token, now_ns, until_ns, reason)
        return await self._held("hold", rows)

    async def move(self, claim: Claim, address: str, now_ns: int) -> bool:
        """Follow the recipient to another address, from now on, and give the alert back."""
        async with self._pool.acquire() as connection, connection.transaction():
            await self._pacing.spend(connection, claim, now_ns)
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
        unreachable: bool = False,
    ) -> bool:
        """Record what became of the attempt; False when the lease was lost, and another sender decides.

        `repeat_ns`: when to repeat an ambiguous one; it is repeated once at most. `unreachable`: the recipient is gone
        until they ask again, so what waits for them ends, and the owners are told.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            await self._pacing.spend(connection, claim, now_ns)
            rows = await connection.fetch(
                SETTLE, claim.alert_id, claim.token, now_ns, state.value, message_id, reason, repeat_ns
            )
            await announce(connection, rows)
            if rows and unreachable:
                told = await gone.follow(connection, claim, reason or "", now_ns, owners=self._owners)
                await self.insert(connection, told, now_ns)
        return await self._held("settle", rows)

    async def sweep(self, now_ns: int, channels: Collection[str] | None = None) -> int:
        """End what is out of date and take from dead senders what they held, one process at a time; return how many.

        `channels`: those that the caller has, so that the reason can tell of a missing one.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", _SWEEPER_LOCK):
                return 0
            known = None if channels is None else sorted(channels)
            await self._pacing.spend_lost(connection, now_ns)
            changed = [*await connection.fetch(EXPIRE, now_ns, known), *await connection.fetch(LOST, now_ns)]
            changed += await connection.fetch(STOP, now_ns)
            await announce(connection, changed)
        return len(changed)

    async def purge(self, before_ns: int) -> int:
        """Forget what ended before `before_ns`; return how many."""
        await lives.forget(self._pool, before_ns)
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
        rows = (await self.queues(now_ns)).values()
        return sum(waiting for waiting, _ in rows), max((oldest_s for _, oldest_s in rows), default=0.0)

    async def queues(self, now_ns: int) -> dict[tuple[str, str], tuple[int, float]]:
        """Return the same by channel and severity."""
        return {
            (row["channel"], row["severity"]): (row["waiting"], max(0, now_ns - row["oldest_ns"]) / SECOND_NS)
            for row in await self._pool.fetch(WAITING)
        }

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
