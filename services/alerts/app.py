"""The alerts service: judged signals in, messages to people out.

This file alone wires the pure policy to Kafka, PostgreSQL and the channels.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import asyncpg
from aiokafka.errors import KafkaError

from libs.common.bus import topics
from libs.common.bus.admin import ensure_topics
from libs.common.bus.codec import encode
from libs.common.bus.kafka import Bus, Folding, Record, connect, fold
from libs.common.events import AlertRule, Event, Verdict
from libs.common.runtime.backoff import Backoff
from libs.common.runtime.clock import monotonic_s, now_ns
from libs.common.runtime.errors import ConfigurationError, DependencyDown
from libs.common.runtime.migrations import migrate
from libs.common.runtime.process import Process
from services.alerts import metrics, upkeep
from services.alerts.admission import admit, storable
from services.alerts.channels import CHANNELS
from services.alerts.channels.channel import Channel
from services.alerts.dispatcher import Dispatcher
from services.alerts.limiter import Limiter
from services.alerts.outbox import STORE_ERRORS, Entry, Outbox
from services.alerts.rules import Rules
from services.alerts.settings import Settings

log = logging.getLogger(__name__)

GROUP: Final = "alerts.verdicts"
RULES_GROUP: Final = "alerts.rules"
_RULES_WITHIN_S: Final = 15.0


class Intake:
    """Folds verdicts and rules into the store; what cannot be stored is parked, an outage of the store waited out."""

    def __init__(self, bus: Bus, outbox: Outbox, rules: Rules, dispatcher: Dispatcher) -> None:
        self._outbox = outbox
        self._rules = rules
        self._dispatcher = dispatcher
        self._rules_read = asyncio.Event()
        self._stopping = asyncio.Event()
        self._rule_changes = fold(
            bus, topics.RULES, group=RULES_GROUP, handler=self._on_rules, rejects=topics.ALERTS_REJECTS
        )
        self._verdicts = fold(
            bus, topics.VERDICTS, group=GROUP, handler=self._on_verdicts, rejects=topics.ALERTS_REJECTS
        )

    def stop(self) -> None:
        """Wait no longer for the store or for rules: a batch in hand is given up, uncommitted, and comes again."""
        self._stopping.set()

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
        self._rules_read.set()

    async def _on_rules(self, records: Sequence[Record]) -> None:
        changed: list[AlertRule] = []
        for record in records:
            event = record.event
            if not isinstance(event, AlertRule):
                await _park(self._rule_changes, record, "value", f"no alert rule but {type(event).__name__}")
                continue
            try:
                for value in (event.rule_id, event.channel, event.recipient):
                    storable(value)
            except ValueError as e:
                await _park(self._rule_changes, record, "value", str(e))
            else:
                changed.append(event)
        await self._outlast(lambda: self._rules.change(changed), "rules")

    async def _on_verdicts(self, records: Sequence[Record]) -> None:
        await self._first(self._rules_read)
        await self._outlast(lambda: self._store(records), "enqueue")
        self._dispatcher.nudge()

    async def _store(self, records: Sequence[Record]) -> None:
        rules = await self._rules.now()
        entries: list[Entry] = []
        for record in records:
            if not isinstance(record.event, Verdict):
                await _park(self._verdicts, record, "value", f"no verdict but {type(record.event).__name__}")
                continue
            try:
                entries += admit(record.event, rules, now_ns())
            except ValueError as e:
                await _park(self._verdicts, record, "value", str(e))
        await self._outbox.enqueue(entries, now_ns())

    async def _outlast(self, step: Callable[[], Awaitable[None]], name: str) -> None:
        backoff = Backoff(0.2, 5.0)
        while True:
            try:
                await step()
            except STORE_ERRORS as e:
                metrics.STORE_FAULTS.labels(name).inc()
                log.warning("the store does not take our work yet: %s", e)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(backoff.next_s()):
                        await self._first(asyncio.Event())
            else:
                return

    async def _first(self, event: asyncio.Event) -> None:
        """Wait for `event`; when the process stops first, give up as if cancelled."""
        waits = [asyncio.ensure_future(one.wait()) for one in (event, self._stopping)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if not event.is_set():
            raise asyncio.CancelledError("the process stops")


async def _park(folding: Folding, record: Record, reason: str, detail: str) -> None:
    metrics.REJECTED.labels(reason).inc()
    await folding.park(record.topic, record.partition, record.offset, encode(record.event), reason, detail)


async def _nothing() -> None:
    return


def channels(settings: Settings) -> dict[str, Channel]:
    """Return the channels that the settings allow; one without its secret stays closed."""
    if not settings.telegram_token.get_secret_value():
        log.warning("no CSX_ALERTS_TELEGRAM_TOKEN: alerts wait in the outbox until they expire")
        return {}
    return {name: make(settings) for name, make in CHANNELS.items()}


async def build(process: Process, settings: Settings) -> None:
    """Wire the service and start it; returns when it serves."""
    dsn = settings.postgres_dsn.get_secret_value()
    if not dsn:
        raise ConfigurationError("CSX_POSTGRES_DSN is missing: alerts are kept in PostgreSQL")
    await migrate(dsn, "services.alerts.migrations", "alerts")
    await ensure_topics(
        settings.kafka_bootstrap, (topics.VERDICTS, topics.RULES, topics.DELIVERIES, topics.ALERTS_REJECTS)
    )
    try:
        pool = await asyncpg.create_pool(dsn, min_size=1, max_size=6, command_timeout=10)
    except STORE_ERRORS as e:
        raise DependencyDown(f"PostgreSQL does not answer: {e}") from e
    process.on_stop(pool.close)
    outbox = Outbox(pool)
    ways = channels(settings)
    for way in ways.values():
        await way.start()
        process.on_stop(way.stop)
    dispatcher = Dispatcher(outbox, ways, Limiter(), lease_s=settings.lease_s, senders=settings.senders)
    bus = connect(settings, "alerts", process)
    rules = Rules(pool, settings.default_rules())
    intake = Intake(bus, outbox, rules, dispatcher)

    async def publish(events: Sequence[Event]) -> None:
        await bus.publisher.publish(events)

    async def last_words() -> None:
        intake.stop()
        await dispatcher.stop()
        announcer.cancel()
        await asyncio.gather(announcer, return_exceptions=True)
        await outbox.announce(publish)

    async def store_fault() -> str | None:
        await outbox.waiting(now_ns())
        return None

    async def channel_fault() -> str | None:
        faults = [fault for way in ways.values() if (fault := await way.fault())]
        return "; ".join(faults) or (None if ways else "no channel is configured")

    process.check("store", store_fault)
    process.check("channels", channel_fault)
    process.on_stop(dispatcher.stop)
    process.spawn(dispatcher.run(), name="dispatcher")  # what is queued goes out, whether or not the broker answers
    process.spawn(upkeep.keep(outbox, keep_days=settings.keep_days), name="upkeep")
    await bus.start()
    announcer = process.spawn(upkeep.announce(outbox, publish), name="announcer")
    process.spawn(intake.await_rules(), name="await rules")
    process.on_stop(last_words)
