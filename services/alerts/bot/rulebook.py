"""A chat's rules: read as they will stand once all that was said of them is taken; changed by saying so on the topic.

`alerts.rules.v1` is the one truth. Who changes a rule queues its event; the announcer publishes, the intake takes.
Within the caller's transaction.
"""

import hashlib
from typing import Any, Final

import msgspec

from libs.common.bus.codec import encode
from libs.common.events import AlertRule

MOST: Final = 50
"""Rules of one chat."""
_SHORT: Final = 8

_KNOWN: Final = """
SELECT event FROM alerts.rules
WHERE NOT deleted AND convert_from(event, 'UTF8')::json->>'recipient' = $1
ORDER BY rule_id
"""
_SAID: Final = """
SELECT event FROM alerts.announcements
WHERE position('"type":"alert_rule"'::bytea IN event) > 0 AND position(convert_to($1, 'UTF8') IN event) > 0
ORDER BY seq
"""
_SAY: Final = "INSERT INTO alerts.announcements (event) VALUES ($1)"


def rule_id_of(recipient: str, what: str) -> str:
    """Return the id of a chat's wish: the same wish twice is one rule."""
    return f"{recipient}/{hashlib.sha256(what.encode('utf-8', 'surrogatepass')).hexdigest()[:_SHORT]}"


def short(rule: AlertRule) -> str:
    """Return the id as its owner reads and writes it."""
    return rule.rule_id.removeprefix(f"{rule.recipient}/")


async def of(connection: Any, recipient: str) -> list[AlertRule]:
    """Return the rules of a chat, those of the settings aside, in order of their ids."""
    rows = [*await connection.fetch(_KNOWN, recipient), *await connection.fetch(_SAID, recipient)]
    rules: dict[str, AlertRule] = {}
    for row in rows:
        rule = msgspec.json.decode(row["event"], type=AlertRule)
        if rule.recipient == recipient and rule.channel == "telegram":
            rules[rule.rule_id] = rule
    return [rule for _, rule in sorted(rules.items()) if not rule.deleted]


async def say(connection: Any, rule: AlertRule) -> None:
    """Queue the newest word on a rule."""
    await connection.execute(_SAY, encode(rule))


async def drop(connection: Any, rule: AlertRule) -> None:
    """Queue that a rule is no more."""
    await say(connection, msgspec.structs.replace(rule, deleted=True))
