"""How fast the senders of a channel may be, together; kept in PostgreSQL, so that no kill forgets what was sent."""

from collections.abc import Mapping
from typing import Any, Final

from libs.common.events import SECOND_NS
from services.alerts.policy.pace import Pace, quicker, room, slower
from services.alerts.store.rows import Claim

_PACE: Final = """
SELECT per_s, changed_ns, claimed_ns, stopped_until_ns FROM alerts.pace WHERE channel = $1 FOR UPDATE
"""
"""Locks the channel's pace: senders claim one after the other."""

_BEGIN: Final = """
INSERT INTO alerts.pace (channel, per_s, changed_ns) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
"""

_CLAIMED: Final = """
UPDATE alerts.pace SET per_s = $2, changed_ns = $3, claimed_ns = $4 WHERE channel = $1
"""

_STOP: Final = """
UPDATE alerts.pace
SET per_s = $2, changed_ns = $3, stopped_until_ns = greatest(stopped_until_ns, $4)
WHERE channel = $1
"""

_SPENT: Final = """
told_ns = CASE WHEN r.recipient ~ '^[0-9]+$' THEN r.told_ns
    ELSE (r.told_ns || $1::bigint)[greatest(1, cardinality(r.told_ns) + 2 - $3::int):] END,
free_ns = greatest(r.free_ns, $1::bigint + $2::bigint, CASE
    WHEN r.recipient !~ '^[0-9]+$' AND cardinality(r.told_ns) + 1 >= $3::int
    THEN (r.told_ns || $1::bigint)[cardinality(r.told_ns) + 2 - $3::int] + 60000000000 END)
"""

_SPEND: Final = f"""
UPDATE alerts.recipients AS r SET {_SPENT}
FROM alerts.outbox AS o
WHERE o.alert_id = $4 AND o.token = $5 AND o.begun_ns IS NOT NULL
    AND r.channel = o.channel AND r.recipient = o.recipient
"""  # noqa: S608  (put together of our own words alone)
"""An attempt counts from its end: whenever it arrived, it was not later."""

_SPEND_LOST: Final = f"""
UPDATE alerts.recipients AS r SET {_SPENT}
FROM alerts.outbox AS o
WHERE o.state = 'sending' AND o.lease_ns <= $1 AND o.begun_ns IS NOT NULL AND o.channel = $4
    AND r.channel = o.channel AND r.recipient = o.recipient
"""  # noqa: S608  (put together of our own words alone)

_NEXT: Final = """
SELECT min(greatest(r.not_before_ns, r.free_ns, first.next_attempt_ns)) AS next_ns
FROM alerts.recipients AS r
CROSS JOIN LATERAL (
    SELECT next_attempt_ns
    FROM alerts.outbox AS o
    WHERE o.channel = r.channel AND o.recipient = r.recipient AND o.next_attempt_ns IS NOT NULL
    ORDER BY urgency DESC, created_ns, alert_id
    LIMIT 1
) AS first
WHERE r.channel = $1 AND NOT EXISTS (
    SELECT FROM alerts.outbox AS o
    WHERE o.channel = r.channel AND o.recipient = r.recipient AND o.state = 'sending'
)
"""
"""When the next recipient that nobody is sending to may be told something."""


class Pacing:
    """The budgets of each channel; every method works within the caller's transaction."""

    def __init__(self, paces: Mapping[str, Pace] | None = None) -> None:
        self._paces = paces or {}

    async def room(self, connection: Any, channel: str, now_ns: int) -> int:
        """Return how many may be claimed now; other senders wait until the transaction ends."""
        row, per_s = await self._current(connection, channel, now_ns)
        return 0 if row["stopped_until_ns"] > now_ns else room(row["claimed_ns"], per_s, now_ns)

    async def claimed(self, connection: Any, channel: str, count: int, now_ns: int) -> None:
        """Count `count` claims of now."""
        row, per_s = await self._current(connection, channel, now_ns)
        recent = [at_ns for at_ns in row["claimed_ns"] if at_ns > now_ns - SECOND_NS] + [now_ns] * count
        changed_ns = row["changed_ns"] if per_s == row["per_s"] else now_ns
        await connection.execute(_CLAIMED, channel, per_s, changed_ns, recent)

    async def next_ns(self, connection: Any, channel: str, now_ns: int) -> int | None:
        """Return when more may be claimed; None while nothing of `channel` waits."""
        next_ns = await connection.fetchval(_NEXT, channel)
        if next_ns is None:
            return None
        row, per_s = await self._current(connection, channel, now_ns)
        free_ns = max(next_ns, row["stopped_until_ns"], now_ns)
        if not room(row["claimed_ns"], per_s, free_ns):
            oldest_ns = min(at_ns for at_ns in row["claimed_ns"] if at_ns > free_ns - SECOND_NS)
            free_ns = max(free_ns, oldest_ns + SECOND_NS)
        return int(free_ns)

    async def stop(self, connection: Any, channel: str, now_ns: int, until_ns: int) -> None:
        """Tell nobody anything before `until_ns`, and be slower from then on: the channel as a whole was too fast."""
        _, per_s = await self._current(connection, channel, now_ns)
        await connection.execute(_STOP, channel, slower(per_s), now_ns, until_ns)

    async def spend(self, connection: Any, claim: Claim, now_ns: int) -> None:
        """Count the attempt of `claim`, which ends now, against its recipient's budget, if it ever began."""
        await connection.execute(_SPEND, *self._budget(claim.channel, now_ns), claim.alert_id, claim.token)

    async def spend_lost(self, connection: Any, now_ns: int) -> None:
        """Count the attempts of senders that died meanwhile."""
        for row in await connection.fetch("SELECT channel FROM alerts.pace ORDER BY channel"):
            await connection.execute(_SPEND_LOST, *self._budget(row["channel"], now_ns), row["channel"])

    def _of(self, channel: str) -> Pace:
        return self._paces.get(channel) or Pace()

    def _budget(self, channel: str, now_ns: int) -> tuple[int, int, int]:
        pace = self._of(channel)
        return now_ns, int(pace.chat_interval_s * SECOND_NS), pace.group_per_minute

    async def _current(self, connection: Any, channel: str, now_ns: int) -> tuple[Any, float]:
        """Return the channel's row, ours until the transaction ends, and its pace as quiet has quickened it."""
        most = self._of(channel).overall_per_s
        while (row := await connection.fetchrow(_PACE, channel)) is None:
            await connection.execute(_BEGIN, channel, most, now_ns)
        return row, quicker(row["per_s"], most, now_ns - row["changed_ns"])
