"""Signals that people were told of, kept in PostgreSQL; each step of their life shown in the messages about them.

What a message shows is compared with where its signal stands, so that nothing depends on when either changed. Every
function works within the caller's transaction.
"""

from collections.abc import Sequence
from typing import Any, Final, TypeVar

from libs.common.bus.codec import decode
from libs.common.events import DAY_NS, HOUR_NS, Alert, Barrier, Outcome, Severity, Verdict
from services.alerts.policy.judged import about
from services.alerts.policy.lifecycle import (
    UNTELLABLE,
    Life,
    Step,
    edit_id,
    expired,
    notice,
    notice_id,
    overtaken,
    resolved,
    shown,
    worth_telling,
)
from services.alerts.policy.markup import Piece
from services.alerts.policy.wording import brief, delayed, mark_repeat
from services.alerts.store.enqueuing import announce
from services.alerts.store.rows import Entry, Told

_Event = TypeVar("_Event", Outcome, Verdict)

EDITS_AT_ONCE: Final = 200
_SHOWING_NS: Final = DAY_NS
"""How long a step is worth showing in its message, through outages of the channel, after it was noticed."""
_TELLING_NS: Final = HOUR_NS
"""How long it is worth a message of its own."""
NOTICE: Final = 2**31 - 1
"""The version that a notice shows: it tells of one moment, and is not changed afterwards."""
_TIMES_END: Final = 2**63

_ONE_AT_A_TIME: Final = "SELECT pg_advisory_xact_lock(hashtextextended($1, 1818850917))"
"""A signal and its outcome come from two topics: whoever is second finds what the first one wrote."""
_KNOW: Final = """
INSERT INTO alerts.signals (
    signal_id, venue, symbol, timeframe, direction, as_of_ns, valid_until_ns, step_ns, event
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT DO NOTHING
"""
_OUTCOME: Final = "SELECT event FROM alerts.outcomes WHERE signal_id = $1"
_ONE: Final = "SELECT * FROM alerts.signals WHERE signal_id = $1 FOR UPDATE"
_EARLIER: Final = """
SELECT * FROM alerts.signals
WHERE venue = $1 AND symbol = $2 AND timeframe = $3 AND as_of_ns < $4 AND valid_until_ns > $5
    AND step IN ('new', 'updated', 'expired')
ORDER BY signal_id
FOR UPDATE
"""
_SAVE: Final = """
UPDATE alerts.signals
SET step = $2, version = $3, step_ns = $4, by_signal = $5, aloud = $6, barrier = $7, r_multiple = $8, resolved_ns = $9
WHERE signal_id = $1
"""
_STALE: Final = """
UPDATE alerts.outbox
SET state = 'expired', next_attempt_ns = NULL, reason = $2, updated_ns = $3
WHERE signal_id = $1 AND kind = 'signal' AND state = 'pending' AND edits IS NULL AND told_version = 0
RETURNING *
"""
_OVER: Final = """
SELECT * FROM alerts.signals
WHERE step IN ('new', 'updated') AND valid_until_ns <= $1
ORDER BY valid_until_ns
LIMIT $2
FOR UPDATE SKIP LOCKED
"""
_BEHIND: Final = """
SELECT o.alert_id, o.rule_id, o.signal_id, o.channel, o.recipient, o.severity, o.venue, o.symbol, o.timeframe,
    o.repeated, o.html, o.text, o.told_version, o.created_ns, o.delivered_ns, s.event, s.step, s.version, s.step_ns,
    s.by_signal, s.aloud, s.barrier, s.r_multiple, s.resolved_ns, s.valid_until_ns,
    EXISTS (
        SELECT FROM alerts.outbox AS n
        WHERE n.rule_id = o.rule_id AND n.signal_id = s.by_signal AND n.kind = 'signal'
    ) AS hears_of_it
FROM alerts.outbox AS o
JOIN alerts.signals AS s USING (signal_id)
WHERE o.state = 'delivered' AND o.kind = 'signal' AND o.edits IS NULL AND o.told_version < s.version
ORDER BY o.alert_id
LIMIT $1
FOR UPDATE OF o SKIP LOCKED
"""
_PASSED: Final = """
UPDATE alerts.outbox
SET state = 'expired', next_attempt_ns = NULL, reason = 'a newer change of the same message tells more', updated_ns = $2
WHERE alert_id = ANY ($1::text[]) AND state = 'pending'
RETURNING *
"""
_SHOWN: Final = "UPDATE alerts.outbox SET told_version = $2 WHERE alert_id = $1"
_FORGET: Final = "DELETE FROM alerts.signals WHERE valid_until_ns < $1"


async def follow(connection: Any, told: Told, now_ns: int, *, wanted: bool) -> list[Any]:
    """Take a published verdict: earlier signals of its market are overtaken; one that somebody wants is followed.

    Returns the alerts that will not be sent any more, for they would tell of signals that are wrong by now.
    """
    market = (told.venue, told.symbol, told.timeframe)
    ended: list[Any] = []
    if wanted:
        times = (told.as_of_ns, told.valid_until_ns, now_ns)
        await connection.execute(_ONE_AT_A_TIME, told.signal_id)
        await connection.execute(_KNOW, told.signal_id, *market, told.direction, *times, told.event)
        known = await connection.fetchval(_OUTCOME, told.signal_id)
        if known is not None:
            ended += await _resolve(connection, _decoded(known, Outcome), now_ns)
    decided_ns = _decoded(told.event, Verdict).decided_ns
    for row in await connection.fetch(_EARLIER, *market, told.as_of_ns, decided_ns):
        same = row["direction"] == told.direction
        life = _life(row)
        after = overtaken(life, told.signal_id, same_direction=same, decided_ns=decided_ns, now_ns=now_ns)
        ended += await _save(connection, row["signal_id"], life, after, now_ns)
    return ended


async def resolve(connection: Any, outcome: Outcome, now_ns: int) -> None:
    """Take what became of a signal; of one that nobody was told of, or the second time, nothing happens.

    Call it after what else the outcome leads to has been inserted, its row of alerts.outcomes too.

    Raises:
        ValueError: its time is none that can be stored, and nothing was changed.
    """
    if not 0 <= outcome.resolved_ns < _TIMES_END:
        raise ValueError(f"the time of the outcome of {outcome.signal_id!r} is out of the calendar")
    await connection.execute(_ONE_AT_A_TIME, outcome.signal_id)
    await announce(connection, await _resolve(connection, outcome, now_ns))


async def steps(connection: Any, now_ns: int) -> list[Entry]:
    """Return the edits and notices that bring messages up to where their signals stand, and count them as shown."""
    for row in await connection.fetch(_OVER, now_ns, EDITS_AT_ONCE):
        life = _life(row)
        await _save(connection, row["signal_id"], life, expired(life, now_ns), now_ns)
    rows: Sequence[Any] = await connection.fetch(_BEHIND, EDITS_AT_ONCE)
    entries: list[Entry] = []
    passed: list[str] = []
    for row in rows:
        await connection.execute(_SHOWN, row["alert_id"], row["version"])
        passed += [edit_id(row["alert_id"], version) for version in range(1, row["version"])]
        entries += _entries(row, now_ns)
    if passed:
        await announce(connection, await connection.fetch(_PASSED, passed, now_ns))
    return entries


async def forget(connection: Any, before_ns: int) -> None:
    """Forget signals whose time was over before `before_ns`."""
    await connection.execute(_FORGET, before_ns)


async def _resolve(connection: Any, outcome: Outcome, now_ns: int) -> list[Any]:
    row = await connection.fetchrow(_ONE, outcome.signal_id)
    if row is None:
        return []
    life = _life(row)
    return await _save(connection, outcome.signal_id, life, resolved(life, outcome, now_ns), now_ns)


async def _save(connection: Any, signal_id: str, before: Life, after: Life, now_ns: int) -> list[Any]:
    """Write a life that changed; return the alerts about its signal that will not be sent any more."""
    if after == before:
        return []
    await connection.execute(
        _SAVE,
        signal_id,
        after.step.value,
        after.version,
        after.step_ns,
        after.by_signal,
        after.aloud,
        None if after.barrier is None else after.barrier.value,
        after.r_multiple,
        after.resolved_ns,
    )
    if after.step not in UNTELLABLE:
        return []
    reason = f"its signal {UNTELLABLE[after.step]} before it was sent"
    return list(await connection.fetch(_STALE, signal_id, reason, now_ns))


def _entries(row: Any, now_ns: int) -> list[Entry]:
    verdict, life = _decoded(row["event"], Verdict), _life(row)
    words = delayed(Piece(row["html"], row["text"]), row["created_ns"], row["delivered_ns"])
    words = shown(words, life)
    if row["repeated"]:  # the copy before it may be there as well
        words = mark_repeat(words)
    entries = [_entry(row, now_ns, edit_id(row["alert_id"], life.version), words, verdict)]
    if worth_telling(life, row["told_version"], hears_of_it=row["hears_of_it"]):
        words = notice(verdict, life)
        anew_id = notice_id(row["channel"], row["recipient"], row["signal_id"], life.version)
        entries.append(_entry(row, now_ns, anew_id, words, verdict, Severity(row["severity"])))
    return entries


def _entry(
    row: Any, now_ns: int, alert_id: str, words: Piece, verdict: Verdict, severity: Severity | None = None
) -> Entry:
    """Return an edit; with a severity, a message of its own."""
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
            valid_until_ns=now_ns + (_TELLING_NS if severity else _SHOWING_NS),
            origin=verdict.origin,
        ),
        venue=row["venue"],
        symbol=row["symbol"],
        timeframe=row["timeframe"],
        edits=None if severity else row["alert_id"],
        told_version=NOTICE if severity else row["version"],
        headline=brief(verdict.signal, row["step"].upper()),
        about=about(row["rule_id"], verdict.signal),
    )


def _life(row: Any) -> Life:
    return Life(
        step=Step(row["step"]),
        version=row["version"],
        step_ns=row["step_ns"],
        by_signal=row["by_signal"],
        aloud=row["aloud"],
        barrier=None if row["barrier"] is None else Barrier(row["barrier"]),
        r_multiple=row["r_multiple"],
        resolved_ns=row["resolved_ns"],
        valid_until_ns=row["valid_until_ns"],
    )


def _decoded(event: bytes, kind: type[_Event]) -> _Event:
    found = decode(event)
    assert isinstance(found, kind)
    return found
