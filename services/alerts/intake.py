"""Verdicts and rules in, folded into the store; what cannot be stored is parked, an outage of the store waited out."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from typing import Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from libs.common.bus import topics
from libs.common.bus.codec import encode
from libs.common.bus.kafka import Bus, Folding, Record, fold
from libs.common.conditions.proper import proper
from libs.common.events import AlertRule, Verdict
from libs.common.runtime.clock import monotonic_s, now_ns
from services.alerts import metrics
from services.alerts.admission import admit, storable, told_of
from services.alerts.dispatcher import Dispatcher
from services.alerts.feeds import Feeds
from services.alerts.patience import Patience
from services.alerts.rules import Rules
from services.alerts.store.outbox import Outbox
from services.alerts.store.rows import Entry, Placed, Told

log = logging.getLogger(__name__)

GROUP: Final = "alerts.verdicts"
RULES_GROUP: Final = "alerts.rules"
_RULES_WITHIN_S: Final = 15.0


class Intake:
    """Both readers. A record's messages and its offset are one transaction: both are kept, or neither is."""

    def __init__(
        self, bus: Bus, outbox: Outbox, rules: Rules, dispatcher: Dispatcher, feeds: Feeds, *, public_url: str = ""
    ) -> None:
        self._outbox = outbox
        self._rules = rules
        self._feeds = feeds
        self._public_url = public_url
        self._dispatcher = dispatcher
        self.rules_read = asyncio.Event()
        """Set once what the rules say may be asked."""
        self._patience = Patience()
        self._rule_changes = fold(
            bus, topics.RULES, group=RULES_GROUP, handler=self._on_rules, rejects=topics.ALERTS_REJECTS
        )
        self._verdicts = fold(
            bus,
            topics.VERDICTS,
            group=GROUP,
            handler=self._on_verdicts,
            rejects=topics.ALERTS_REJECTS,
            restore=self._places,
        )

    def stop(self) -> None:
        """Wait no longer for the store or for rules: a batch in hand is given up, uncommitted, and comes again."""
        self._patience.stop()

    async def await_rules(self, within_s: float = _RULES_WITHIN_S) -> None:
        """Let verdicts through once this process has stored all rules that it is to read, or after `within_s`."""
        deadline_s = monotonic_s() + within_s
        while monotonic_s() < deadline_s:
            owned = self._rule_changes.owned
            with contextlib.suppress(KafkaError):  # the partitions may move between the two questions
                if owned and await self._rule_changes.caught_up() == owned:
                    await self._rule_changes.between_batches(_nothing)  # the last batch is stored too
                    break
            await asyncio.sleep(0.05)
        else:
            log.info("no rules to read here: another process has them")
        self.rules_read.set()

    async def _places(self, partitions: frozenset[int]) -> Mapping[TopicPartition, int]:
        """Return where to go on: what the store says, whatever the broker was told."""
        topic, consumer = topics.VERDICTS.name, self._verdicts.consumer()
        if consumer is None:
            return {}
        parts = [TopicPartition(topic, number) for number in sorted(partitions)]
        firsts, ends = await consumer.beginning_offsets(parts), await consumer.end_offsets(parts)
        log_of = {part.partition: (firsts[part], ends[part]) for part in parts}
        places = await self._patience.outlast(lambda: self._outbox.places(topic, log_of), "offsets")
        return {TopicPartition(topic, number): place for number, place in places.items()}

    async def _on_rules(self, records: Sequence[Record]) -> None:
        changed: list[AlertRule] = []
        for record in records:
            event = record.event
            if not isinstance(event, AlertRule):
                await _park(self._rule_changes, record, f"no alert rule but {type(event).__name__}")
                continue
            try:
                for value in (event.rule_id, event.channel, event.recipient):
                    storable(value)
                if not event.deleted:
                    proper(event)
            except ValueError as e:
                await _park(self._rule_changes, record, str(e))
            else:
                changed.append(event)
        await self._patience.outlast(lambda: self._rules.change(changed), "rules")

    async def _on_verdicts(self, records: Sequence[Record]) -> None:
        await self._patience.first(self.rules_read)
        rules = await self._patience.outlast(self._rules.now, "enqueue")
        feeds = await self._patience.outlast(lambda: self._feeds.now(now_ns()), "enqueue")
        placed: list[Placed] = []
        for record in records:
            entries: list[Entry] = []
            told: Told | None = None
            if not isinstance(record.event, Verdict):
                await _park(self._verdicts, record, f"no verdict but {type(record.event).__name__}")
            else:
                try:
                    entries = admit(record.event, rules, now_ns(), feeds=feeds, public_url=self._public_url)
                    told = told_of(record.event)
                except ValueError as e:
                    await _park(self._verdicts, record, str(e))
            placed.append(Placed(partition=record.partition, offset=record.offset, entries=entries, told=told))
        await self._patience.outlast(lambda: self._outbox.take(topics.VERDICTS.name, placed, now_ns()), "enqueue")
        self._dispatcher.nudge()


async def _park(folding: Folding, record: Record, detail: str) -> None:
    metrics.REJECTED.labels("value").inc()
    await folding.park(record.topic, record.partition, record.offset, encode(record.event), "value", detail)


async def _nothing() -> None:
    return
