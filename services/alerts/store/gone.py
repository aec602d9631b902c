"""A recipient that cannot be reached any more in; nothing for them from now on, and a word to the owners, out.

Within the caller's transaction.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, Final

from libs.common.events import DAY_NS, Alert, Severity
from services.alerts.policy.markup import bold, code, data, join, lines
from services.alerts.store import subscribers
from services.alerts.store.enqueuing import announce
from services.alerts.store.rows import Claim, Entry

_RULE: Final = "system:gone"
_ID_UNITS: Final = 96
_REASON_UNITS: Final = 240
_END: Final = """
UPDATE alerts.outbox
SET state = CASE WHEN state = 'pending' THEN 'expired' ELSE state END, next_attempt_ns = NULL, due_ns = NULL,
    reason = CASE WHEN state = 'pending' THEN '' ELSE reason || '; ' END || $4, updated_ns = $3
WHERE channel = $1 AND recipient = $2 AND next_attempt_ns IS NOT NULL
RETURNING *
"""


async def follow(
    connection: Any, claim: Claim, reason: str, now_ns: int, *, owners: Sequence[subscribers.Key]
) -> list[Entry]:
    """Disable the recipient of `claim` and end what waits for them; return what the owners are to hear, once."""
    key = (claim.channel, claim.recipient)
    news = await subscribers.disable(connection, key, reason)
    await announce(connection, await connection.fetch(_END, *key, now_ns, f"the recipient is {reason}"))
    return [_notice(owner, claim, reason, now_ns) for owner in owners if news and owner != key]


def _notice(owner: subscribers.Key, claim: Claim, reason: str, now_ns: int) -> Entry:
    words = lines(
        [
            bold(join("A subscriber cannot be reached any more")),
            join(data(claim.channel, _ID_UNITS), " ", code(data(claim.recipient, _ID_UNITS))),
            data(reason, _REASON_UNITS),
            join("Nothing is sent there until it says /start again"),
        ]
    )
    name = f"{_RULE}:{len(owner[1])}:{owner[1]}{claim.alert_id}"
    return Entry(
        alert=Alert(
            alert_id=hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32],
            rule_id=_RULE,
            signal_id="",
            channel=owner[0],
            recipient=owner[1],
            severity=Severity.WARNING,
            html=words.html,
            text=words.text,
            created_ns=now_ns,
            valid_until_ns=now_ns + DAY_NS,
        ),
        venue="",
        symbol="",
        timeframe="",
        kind="system",
        headline=f"{claim.channel} {claim.recipient} cannot be reached any more"[:100],
    )
