"""Signals that people were told of, kept in PostgreSQL; each step of their life shown in the messages about them.

What a message shows is compared with where its signal stands, so that nothing depends on when either changed.
"""

from collections.abc import Sequence
from typing import Any, Final

from libs.common.bus.codec import decode
from libs.common.events import HOUR_NS, Alert, Origin, Severity, Verdict
from services.alerts.policy.lifecycle import TOLD_ANEW, Life, Step, edit_id, notice, notice_id, shown
from services.alerts.policy.wording import mark_repeat
from services.alerts.rows import Entry, Told

EDITS_AT_ONCE: Final = 200
_WORTH_NS: Final = HOUR_NS
"""How long a step is worth showing after it was noticed."""

_KNOW: Final = """
INSERT INTO alerts.signals (
    signal_id, venue, symbol, timeframe, direction, as_of_ns, valid_until_ns, step_ns, event
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT DO NOTHING
"""
_OVERTAKE: Final = """
UPDATE alerts.signals
SET step = CASE WHEN direction = $5 THEN 'updated' ELSE 'invalidated' END, version = version + 1, step_ns = $6,
    by_signal = $7
WHERE venue = $1 AND symbol = $2 AND timeframe = $3 AND as_of_ns < $4 AND valid_until_ns > $6
    AND (step = 'new' OR (step = 'updated' AND direction <> $5))
"""
_STALE: Final = """
UPDATE alerts.outbox AS o
SET state = 'expired', next_attempt_ns = NULL, reason = 'its signal was invalidated before it was sent', updated_ns = $1
FROM alerts.signals AS s
WHERE s.signal_id = o.signal_id AND s.step = 'invalidated' AND o.state = 'pending' AND o.edits IS NULL
    AND o.told_version = 0 AND s.signal_id = ANY ($2::text[])
RETURNING o.*
"""
_OVERTAKEN: Final = "SELECT signal_id FROM alerts.signals WHERE by_signal = $1 AND step = 'invalidated'"
_END: Final = """
UPDATE alerts.signals SET step = 'expired', version = version + 1, step_ns = valid_until_ns
WHERE step IN ('new', 'updated') AND valid_until_ns <= $1
"""
_BEHIND: Final = """
SELECT o.alert_id, o.rule_id, o.signal_id, o.channel, o.recipient, o.severity, o.venue, o.symbol, o.timeframe,
    o.repeated, s.event, s.step, s.version, s.step_ns, s.by_signal,
    EXISTS (
        SELECT FROM alerts.outbox AS n WHERE n.rule_id = o.rule_id AND n.signal_id = s.by_signal
    ) AS hears_of_it
FROM alerts.outbox AS o
JOIN alerts.signals AS s USING (signal_id)
WHERE o.state = 'delivered' AND o.edits IS NULL AND o.told_version < s.version
ORDER BY o.alert_id
LIMIT $1
FOR UPDATE OF o SKIP LOCKED
"""
_SHOWN: Final = "UPDATE alerts.outbox SET told_version = $2 WHERE alert_id = $1"
_FORGET: Final = "DELETE FROM alerts.signals WHERE valid_until_ns < $1"


async def follow(connection: Any, told: Told, now_ns: int, *, wanted: bool) -> list[Any]:
    """Take a published verdict: earlier signals of its market are overtaken; one that somebody wants is followed.

    Returns the alerts about invalidated signals that will not be sent any more.
    """
    market = (told.venue, told.symbol, told.timeframe)
    if wanted:
        times = (told.as_of_ns, told.valid_until_ns, now_ns)
        await connection.execute(_KNOW, told.signal_id, *market, told.direction, *times, told.event)
    await connection.execute(_OVERTAKE, *market, told.as_of_ns, told.direction, now_ns, told.signal_id)
    over = [row["signal_id"] for row in await connection.fetch(_OVERTAKEN, told.signal_id)]
    return list(await connection.fetch(_STALE, now_ns, over)) if over else []


async def steps(connection: Any, now_ns: int) -> list[Entry]:
    """Return the edits and notices that bring messages up to where their signals stand, and count them as shown."""
    await connection.execute(_END, now_ns)
    rows: Sequence[Any] = await connection.fetch(_BEHIND, EDITS_AT_ONCE)
    entries: list[Entry] = []
    for row in rows:
        await connection.execute(_SHOWN, row["alert_id"], row["version"])
        entries += _entries(row, now_ns)
    return entries


async def forget(connection: Any, before_ns: int) -> None:
    """Forget signals whose time was over before `before_ns`."""
    await connection.execute(_FORGET, before_ns)


def _entries(row: Any, now_ns: int) -> list[Entry]:
    verdict = decode(row["event"])
    assert isinstance(verdict, Verdict)
    life = Life(step=Step(row["step"]), version=row["version"], step_ns=row["step_ns"], by_signal=row["by_signal"])
    words = shown(verdict, life)
    if row["repeated"]:  # the copy before it may be there as well
        words = mark_repeat(words)
    edit = _entry(row, now_ns, edit_id(row["alert_id"], life.version), words, verdict.origin)
    if life.step not in TOLD_ANEW or row["hears_of_it"]:
        return [edit]
    words, severity = notice(verdict, life), Severity(row["severity"])
    told = _entry(row, now_ns, notice_id(row["alert_id"], life.version), words, verdict.origin, severity)
    return [edit, told]


def _entry(row: Any, now_ns: int, alert_id: str, words: Any, origin: Origin, severity: Severity | None = None) -> Entry:
    return Entry(
        alert=Alert(
            alert_id=alert_id,
            rule_id=row["rule_id"],
            signal_id=row["signal_id"],
            channel=row["channel"],
            recipient=row["recipient"],
            severity=severity or Severity.INFO,
            html=words.html,
            text=words.text,
            created_ns=now_ns,
            valid_until_ns=now_ns + _WORTH_NS,
            origin=origin,
        ),
        venue=row["venue"],
        symbol=row["symbol"],
        timeframe=row["timeframe"],
        edits=None if severity else row["alert_id"],
        told_version=row["version"],
    )
