"""The SQL of the outbox; `outbox.py` says what each statement is for."""

from typing import Final

RECIPIENTS: Final = """
INSERT INTO alerts.recipients (channel, recipient)
SELECT DISTINCT channel, recipient FROM jsonb_to_recordset($1::jsonb) AS new (channel text, recipient text)
ORDER BY channel, recipient
ON CONFLICT DO NOTHING
"""

ENQUEUE: Final = """
INSERT INTO alerts.outbox (
    alert_id, rule_id, signal_id, channel, recipient, severity, urgency, html, text, origin, venue, symbol, timeframe,
    cooldown_s, valid_until_ns, next_attempt_ns, created_ns, updated_ns, edits, told_version, kind, headline, action,
    keyboard, blob, silent, state, reason, due_ns
)
SELECT
    alert_id, rule_id, signal_id, channel, recipient, severity, urgency, html, text, origin, venue, symbol, timeframe,
    cooldown_s, valid_until_ns, next_attempt_ns, created_ns, updated_ns, edits, told_version, kind, headline, action,
    keyboard, blob, silent, state, reason, due_ns
FROM jsonb_populate_recordset(NULL::alerts.outbox, $1::jsonb)
ORDER BY alert_id
ON CONFLICT (alert_id) DO NOTHING
RETURNING *
"""

FREE_RECIPIENTS: Final = """
SELECT r.channel, r.recipient
FROM alerts.recipients AS r
CROSS JOIN LATERAL (
    SELECT urgency, created_ns, next_attempt_ns, valid_until_ns
    FROM alerts.outbox AS o
    WHERE o.channel = r.channel AND o.recipient = r.recipient AND o.next_attempt_ns IS NOT NULL
    ORDER BY urgency DESC, created_ns, alert_id
    LIMIT 1
) AS first
WHERE r.channel = $2
    AND r.not_before_ns <= $1
    AND r.free_ns <= $1
    AND first.next_attempt_ns <= $1
    AND NOT EXISTS (
        SELECT FROM alerts.outbox AS o
        WHERE o.channel = r.channel AND o.recipient = r.recipient AND o.state = 'sending'
    )
ORDER BY first.urgency DESC, first.created_ns
LIMIT $3
FOR UPDATE OF r SKIP LOCKED
"""
"""Locks the recipients: until the claim commits, no other sender can claim for them."""

CLAIM: Final = """
WITH first AS (
    SELECT DISTINCT ON (o.channel, o.recipient) o.alert_id, o.next_attempt_ns, o.valid_until_ns
    FROM alerts.outbox AS o
    JOIN unnest($1::text[], $2::text[]) AS free (channel, recipient) USING (channel, recipient)
    WHERE o.next_attempt_ns IS NOT NULL
        AND NOT EXISTS (
            SELECT FROM alerts.outbox AS held
            WHERE held.channel = o.channel AND held.recipient = o.recipient AND held.state = 'sending'
        )
    ORDER BY o.channel, o.recipient, o.urgency DESC, o.created_ns, o.alert_id
), ready AS (
    SELECT alert_id FROM alerts.outbox
    WHERE alert_id IN (SELECT alert_id FROM first WHERE next_attempt_ns <= $3 AND valid_until_ns > $3)
        AND next_attempt_ns IS NOT NULL
    FOR UPDATE SKIP LOCKED
)
UPDATE alerts.outbox AS o
SET state = 'sending', repeated = o.repeated OR o.state = 'ambiguous', attempts = o.attempts + 1,
    token = nextval('alerts.fencing'), lease_ns = $4, begun_ns = NULL, next_attempt_ns = NULL, reason = NULL,
    updated_ns = $3
FROM ready, alerts.recipients AS r
WHERE o.alert_id = ready.alert_id AND r.channel = o.channel AND r.recipient = o.recipient
RETURNING o.alert_id, o.signal_id, o.channel, o.recipient, coalesce(r.moved_to, o.recipient) AS address, o.severity,
    o.urgency, o.html, o.text, o.origin, o.venue, o.symbol, o.cooldown_s, o.valid_until_ns, o.created_ns, o.attempts,
    o.repeated, o.token, o.kind, o.timeframe, o.action, o.keyboard, o.blob, o.silent, o.edits,
    (SELECT p.message_id FROM alerts.outbox AS p WHERE p.alert_id = o.edits) AS edits_message_id, (
        SELECT max(d.delivered_ns) FROM alerts.outbox AS d
        WHERE d.rule_id = o.rule_id AND d.venue = o.venue AND d.symbol = o.symbol AND d.timeframe = o.timeframe
            AND d.state = 'delivered' AND d.edits IS NULL AND d.told_version <> 2147483647
    ) AS last_delivered_ns
"""
"""A word about what became of a signal (`lives.NOTICE`) starts no cooldown: it is no new alert of its rule."""

BEGIN: Final = """
UPDATE alerts.outbox SET begun_ns = $3, lease_ns = $4, updated_ns = $3
WHERE alert_id = $1 AND token = $2 AND state = 'sending' AND lease_ns > $3
    AND (kind = 'answer' OR NOT (SELECT stopped FROM alerts.switch))
RETURNING alert_id
"""

RELEASE: Final = """
UPDATE alerts.outbox
SET state = CASE WHEN repeated THEN 'ambiguous' ELSE 'pending' END, next_attempt_ns = $4, reason = $5,
    token = NULL, lease_ns = NULL, begun_ns = NULL, updated_ns = $3
WHERE alert_id = $1 AND token = $2 AND state = 'sending'
RETURNING alert_id
"""
"""A repeat that surely was not sent is what it was: ambiguous, with its one repeat still ahead."""

HOLD: Final = """
UPDATE alerts.recipients SET not_before_ns = greatest(not_before_ns, $3) WHERE channel = $1 AND recipient = $2
"""

MOVE: Final = "UPDATE alerts.recipients SET moved_to = $3 WHERE channel = $1 AND recipient = $2"

SETTLE: Final = """
UPDATE alerts.outbox
SET state = $4, next_attempt_ns = CASE WHEN $4 = 'ambiguous' AND NOT repeated THEN $7::bigint END,
    message_id = $5, reason = $6, delivered_ns = CASE WHEN $4 = 'delivered' THEN $3::bigint END,
    token = NULL, lease_ns = NULL, begun_ns = NULL, updated_ns = $3
WHERE alert_id = $1 AND token = $2 AND state = 'sending'
RETURNING *
"""

EXPIRE: Final = """
WITH old AS (
    SELECT alert_id FROM alerts.outbox
    WHERE next_attempt_ns IS NOT NULL AND valid_until_ns <= $1
    ORDER BY alert_id
    FOR UPDATE SKIP LOCKED
), ended AS (
    UPDATE alerts.outbox AS o
    SET state = CASE WHEN o.state = 'pending' THEN 'expired' ELSE o.state END, next_attempt_ns = NULL,
        reason = CASE WHEN o.state = 'pending' THEN coalesce(
            'not delivered in time: ' || o.reason,
            'not sent in time' || CASE WHEN o.channel <> ALL ($2::text[]) THEN ': channel ''' || o.channel
                || ''' is not configured' ELSE '' END)
            ELSE o.reason || '; no time left to repeat it' END,
        due_ns = CASE WHEN o.state = 'pending' AND o.edits IS NULL AND o.kind NOT IN ('answer', 'digest') THEN $1 END,
        updated_ns = $1
    FROM old WHERE o.alert_id = old.alert_id
    RETURNING o.*
)
SELECT * FROM ended
"""

LOST: Final = """
WITH held AS (
    SELECT alert_id FROM alerts.outbox
    WHERE state = 'sending' AND lease_ns <= $1
    ORDER BY alert_id
    FOR UPDATE SKIP LOCKED
)
UPDATE alerts.outbox AS o
SET state = CASE WHEN (o.begun_ns IS NULL AND NOT o.repeated) OR o.edits IS NOT NULL OR o.channel = 'webhook'
        THEN 'pending'
        ELSE 'ambiguous' END,
    next_attempt_ns = CASE
        WHEN o.begun_ns IS NULL OR o.edits IS NOT NULL OR o.channel = 'webhook' THEN $1
        WHEN o.severity <> 'info' AND NOT o.repeated THEN $1
    END,
    reason = CASE WHEN o.begun_ns IS NULL THEN 'its sender died before it began'
        ELSE 'its sender died before the answer' END,
    token = NULL, lease_ns = NULL, begun_ns = NULL, updated_ns = $1
FROM held WHERE o.alert_id = held.alert_id
RETURNING o.*
"""
"""An edit, and a post to a webhook, may be made twice: the one changes nothing, the other has the same delivery id."""

STOP: Final = """
UPDATE alerts.outbox
SET state = CASE WHEN state = 'ambiguous' THEN state ELSE 'expired' END, next_attempt_ns = NULL, due_ns = NULL,
    reason = CASE WHEN state = 'ambiguous' THEN reason || '; ' ELSE '' END || 'stopped by panic', updated_ns = $1
WHERE kind <> 'answer' AND (next_attempt_ns IS NOT NULL OR (state = 'rolled_up' AND digest_id IS NULL))
    AND (SELECT stopped FROM alerts.switch)
RETURNING *
"""

PURGE: Final = """
DELETE FROM alerts.outbox
WHERE updated_ns < $1 AND next_attempt_ns IS NULL AND state <> 'sending'
RETURNING alert_id
"""

ANNOUNCEMENTS: Final = "SELECT seq, event FROM alerts.announcements ORDER BY seq LIMIT $1"

WAITING: Final = """
SELECT channel, severity, count(*) AS waiting, min(created_ns) AS oldest_ns
FROM alerts.outbox
WHERE next_attempt_ns IS NOT NULL
GROUP BY channel, severity
"""
