"""Rules as their topic says them, and what alerts refused, to PostgreSQL. A record may come twice."""

from collections.abc import Sequence
from typing import Any, Final

from libs.common.bus.consuming import Record
from libs.common.bus.topics import ALERTS_REJECTS, RULES
from libs.common.events import AlertRule, Reject
from services.gateway.alerting import metrics
from services.gateway.alerting.wishes import known_again
from services.gateway.store import alerting
from services.gateway.store.store import Store

RULES_TOPICS: Final = (RULES, ALERTS_REJECTS)


class RuleBook:
    """The states of rules: published once they stand on the topic, rejected once alerts said so."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def __call__(self, records: Sequence[Record]) -> None:
        """Write one batch; its offsets are committed after it."""
        async with self._store.pool.acquire() as connection, connection.transaction():
            for record in records:
                await self._take(connection, record)

    async def _take(self, connection: Any, record: Record) -> None:
        how = "passed_over"
        match record.event:
            case AlertRule() as rule if _storable(rule):
                await alerting.seen(connection, rule, record.offset)
                how = "published"
            case Reject() as reject if reject.origin_of.startswith(f"{RULES.name}/"):
                refused = known_again(reject.payload)
                if refused is not None and _storable(refused):
                    await alerting.refused(connection, refused, _text(reject.detail))
                    how = "rejected"
        metrics.FOLDED.labels(how).inc()


def _storable(rule: AlertRule) -> bool:
    """Tell whether PostgreSQL takes its texts: alerts parks the others, and nobody can ask for them by name."""
    texts = (rule.rule_id, rule.channel, rule.recipient, rule.template)
    return all(text == _text(text) for text in texts)


def _text(text: str) -> str:
    return text.replace("\0", "").encode("utf-8", "replace").decode()
