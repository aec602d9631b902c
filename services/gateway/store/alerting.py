"""Rules, whom they may tell, and what became of their alerts, in PostgreSQL; by whose they are."""

from typing import Any, Final

import msgspec
from msgspec import Struct

from libs.common.bus.codec import encode
from libs.common.events import DAY_NS, AlertRule, Delivery

# S608 is off in the statements below: what is put together are literals of this file, values are parameters
_TOLD: Final = """EXISTS (SELECT 1 FROM gateway.recipients p WHERE p.owner = $1 AND p.approved_ns IS NOT NULL
AND p.channel = t.channel AND p.recipient = t.recipient)"""
_RULES: Final = f"""
SELECT owner, state, fault, event FROM gateway.rules t
WHERE NOT deleted AND (owner = $1 OR (owner = '' AND {_TOLD}))
  AND ($2::text IS NULL OR rule_id > $2) AND (template <> '' OR NOT $4)
ORDER BY rule_id LIMIT $3
"""  # noqa: S608
_RULE: Final = f"""
SELECT owner, state, fault, event FROM gateway.rules t
WHERE rule_id = $2 AND NOT deleted AND (owner = $1 OR (owner = '' AND {_TOLD}))
"""  # noqa: S608
_COUNT: Final = "SELECT count(*) FROM gateway.rules WHERE owner = $1 AND NOT deleted"
_USES: Final = """
SELECT count(*) FROM gateway.rules WHERE owner = $1 AND NOT deleted AND channel = $2 AND recipient = $3
"""
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
_SAY: Final = """
INSERT INTO gateway.rules (rule_id, owner, channel, recipient, template, deleted, event, state, revision)
VALUES ($1, $2, $3, $4, $5, $6, $7, 'said', 0)
ON CONFLICT (rule_id) DO UPDATE SET state = 'said', fault = NULL, channel = excluded.channel,
  recipient = excluded.recipient, template = excluded.template, deleted = excluded.deleted, event = excluded.event
"""
_ANNOUNCE: Final = "INSERT INTO gateway.announcements (event) VALUES ($1)"
_SEEN: Final = """
INSERT INTO gateway.rules AS known (rule_id, owner, channel, recipient, template, deleted, event, state, revision)
VALUES ($1, '', $2, $3, $4, $5, $6, 'published', $7)
ON CONFLICT (rule_id) DO UPDATE SET
  revision = greatest(known.revision, excluded.revision),
  state = CASE WHEN known.event = excluded.event AND known.state = 'rejected' THEN 'rejected' ELSE 'published' END,
  fault = CASE WHEN known.event = excluded.event THEN known.fault END,
  channel = excluded.channel, recipient = excluded.recipient, template = excluded.template,
  deleted = excluded.deleted, event = excluded.event
WHERE known.event = excluded.event OR (known.state <> 'said' AND known.revision < excluded.revision)
"""
"""A rule as the topic says it. While a newer word of ours is on its way, older ones are passed over."""
_REFUSED: Final = "UPDATE gateway.rules SET state = 'rejected', fault = $3 WHERE rule_id = $1 AND event = $2"
_WAITING: Final = "SELECT seq, event FROM gateway.announcements ORDER BY seq LIMIT $1"
_SAID: Final = "DELETE FROM gateway.announcements WHERE seq = ANY($1::bigint[])"

_FORGET_RULES: Final = "DELETE FROM gateway.rules WHERE deleted AND state <> 'said'"
_FORGET_DELIVERIES: Final = "DELETE FROM gateway.deliveries WHERE at_ns < $1"

DELIVERIES_KEPT_NS: Final = 90 * DAY_NS

_RECIPIENTS: Final = """
SELECT owner, channel, recipient, created_ns, approved_ns FROM gateway.recipients
WHERE $2 OR owner = $1 ORDER BY owner, channel, recipient LIMIT $3
"""
_RECIPIENT: Final = """
SELECT owner, channel, recipient, created_ns, approved_ns FROM gateway.recipients
WHERE owner = $1 AND channel = $2 AND recipient = $3
"""
_ADD: Final = """
INSERT INTO gateway.recipients (owner, channel, recipient, created_ns, approved_ns) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (channel, recipient, owner) DO UPDATE
SET approved_ns = coalesce(gateway.recipients.approved_ns, excluded.approved_ns)
RETURNING owner, channel, recipient, created_ns, approved_ns
"""
_DROP: Final = "DELETE FROM gateway.recipients WHERE owner = $1 AND channel = $2 AND recipient = $3"

_DELIVERIES: Final = """
SELECT t.alert_id, t.signal_id, t.channel, t.recipient, t.state, t.attempts, t.at_ns, t.message_id, t.reason, t.origin
FROM gateway.deliveries t
JOIN gateway.recipients p ON p.owner = $1 AND p.approved_ns IS NOT NULL AND p.channel = t.channel
  AND p.recipient = t.recipient
WHERE ($2::bigint IS NULL OR (t.at_ns, t.alert_id) < ($2, $3)) AND t.at_ns >= $4 AND t.at_ns < $5
  AND ($6::text IS NULL OR t.state = $6) AND ($7::text IS NULL OR t.signal_id = $7)
ORDER BY t.at_ns DESC, t.alert_id DESC LIMIT $8
"""


class RuleRow(Struct, frozen=True, kw_only=True):
    """One rule and how far it got."""

    rule: AlertRule
    owner: str
    """Empty: it came by another way."""
    state: str
    """`said` here, `published` on the topic, or `rejected` by alerts."""
    fault: str | None


class RecipientRow(Struct, frozen=True, kw_only=True):
    """An address that somebody named as theirs."""

    owner: str
    channel: str
    recipient: str
    created_ns: int
    approved_ns: int | None


async def rules(pool: Any, owner: str, *, after: str | None, limit: int, of_templates: bool) -> list[RuleRow]:
    """Return the rules of `owner` and those that tell an approved address of theirs, by id, after `after`."""
    return [_rule(row) for row in await pool.fetch(_RULES, owner, after, limit, of_templates)]


async def rule(pool: Any, owner: str, rule_id: str) -> RuleRow | None:
    """Return one of those rules."""
    row = await pool.fetchrow(_RULE, owner, rule_id)
    return _rule(row) if row else None


async def lock(connection: Any, owner: str) -> None:
    """Let one transaction at a time change what `owner` has."""
    await connection.execute(_LOCK, f"gateway rules of {owner}")


async def count(connection: Any, owner: str) -> int:
    """Return how many rules `owner` has."""
    return int(await connection.fetchval(_COUNT, owner))


async def uses(connection: Any, owner: str, channel: str, recipient: str) -> int:
    """Return how many rules of `owner` tell that address."""
    return int(await connection.fetchval(_USES, owner, channel, recipient))


async def say(connection: Any, owner: str, one: AlertRule) -> None:
    """Take the newest word on a rule, and queue it for the topic."""
    event = encode(one)
    head = (one.rule_id, owner, one.channel, one.recipient, one.template, one.deleted, event)
    await connection.execute(_SAY, *head)
    await connection.execute(_ANNOUNCE, event)


async def seen(connection: Any, one: AlertRule, offset: int) -> None:
    """Take what the topic says of a rule."""
    head = (one.rule_id, one.channel, one.recipient, one.template, one.deleted, encode(one))
    await connection.execute(_SEEN, *head, offset + 1)


async def refused(connection: Any, one: AlertRule, fault: str) -> None:
    """Take that alerts refused exactly this word on a rule."""
    await connection.execute(_REFUSED, one.rule_id, encode(one), fault)


async def wait(pool: Any) -> bool:
    """Tell whether any word waits for the topic."""
    return bool(await pool.fetchval("SELECT EXISTS (SELECT 1 FROM gateway.announcements)"))


async def waiting(connection: Any, most: int) -> list[tuple[int, bytes]]:
    """Return the oldest words that are not on the topic yet."""
    return [(row["seq"], row["event"]) for row in await connection.fetch(_WAITING, most)]


async def said(connection: Any, seqs: list[int]) -> None:
    """Forget words that are on the topic."""
    await connection.execute(_SAID, seqs)


async def prune(pool: Any, now_ns: int) -> int:
    """Forget rules that are gone for all, and deliveries of more than 90 days ago; return how many."""
    gone = await pool.execute(_FORGET_RULES), await pool.execute(_FORGET_DELIVERIES, now_ns - DELIVERIES_KEPT_NS)
    return sum(int(words.rpartition(" ")[2]) for words in gone)


async def recipients(pool: Any, owner: str, *, everyone: bool, limit: int) -> list[RecipientRow]:
    """Return the addresses of `owner`, or of all people."""
    return [RecipientRow(**row) for row in await pool.fetch(_RECIPIENTS, owner, everyone, limit)]


async def recipient(pool: Any, owner: str, channel: str, address: str) -> RecipientRow | None:
    """Return one of them."""
    row = await pool.fetchrow(_RECIPIENT, owner, channel, address)
    return RecipientRow(**row) if row else None


async def add_recipient(connection: Any, one: RecipientRow) -> RecipientRow:
    """Write down an address, and return it as it stands; an approval that it has stays."""
    row = await connection.fetchrow(_ADD, one.owner, one.channel, one.recipient, one.created_ns, one.approved_ns)
    return RecipientRow(**row)


async def drop_recipient(connection: Any, owner: str, channel: str, address: str) -> None:
    """Forget an address."""
    await connection.execute(_DROP, owner, channel, address)


async def deliveries(
    pool: Any,
    owner: str,
    *,
    after: tuple[int, str] | None,
    from_ns: int,
    to_ns: int,
    state: str | None,
    signal_id: str | None,
    limit: int,
) -> list[Delivery]:
    """Return what became of alerts to approved addresses of `owner` in [from_ns, to_ns), newest first."""
    at_ns, alert_id = after or (None, None)
    found = await pool.fetch(_DELIVERIES, owner, at_ns, alert_id, from_ns, to_ns, state, signal_id, limit)
    return [Delivery(**row) for row in found]


def _rule(row: Any) -> RuleRow:
    return RuleRow(
        rule=msgspec.json.decode(row["event"], type=AlertRule),
        owner=row["owner"],
        state=row["state"],
        fault=row["fault"],
    )
