"""Markets, feeds and outcomes in; what rules of every kind but signals make of them, told, and rows for the bot, kept.

Windows live in memory and are filled again from the log at each assignment (`reach.py`), in silence up to what is
stored as told. Alerts, the states of rules and offsets are one transaction. While a batch changes nothing of these its
offsets are written within `_PLACES_S`, not at once. Whoever reads that stretch again finds the states that held at its
end, for each change of a state writes the offsets of all it came from with it: the same events lead to no other change.
An alert that is made again all the same has the same id: of its rule, its key and the event that began its episode.
"""

import asyncio
import contextlib
from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Final

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from libs.common.bus import topics
from libs.common.bus.codec import encode
from libs.common.bus.kafka import Bus, Record, fold
from libs.common.conditions.subjects import Subject
from libs.common.events import DAY_NS, AlertRule, LayerReading, Outcome
from libs.common.runtime.clock import monotonic_s, now_ns
from services.alerts import metrics
from services.alerts.admission import storable
from services.alerts.dispatcher import Dispatcher
from services.alerts.metrics_watching import Watched
from services.alerts.patience import Patience
from services.alerts.policy.triggers import State
from services.alerts.policy.watching import Watching
from services.alerts.rules import Rules
from services.alerts.store.outbox import Outbox
from services.alerts.watching import reach
from services.alerts.watching.asking import Found, Place, Rulebook
from services.alerts.watching.store import Rows, WatchStore

GROUP: Final = "alerts.watch"
_BATCH: Final = 500
"""Records handled at once: the sender shares the loop."""
_RULES_S: Final = 1.0
_ROWS_S: Final = 1.0
_PLACES_S: Final = 5.0
_FORGET_S: Final = 3600.0
_KEEP_NS: Final = 30 * DAY_NS
_MARKED: Final = frozenset({"smc", "liquidity", "fibonacci", "cvd", "order_flow", "technicals"})
"""Layers that name prices; also when they name none now."""
_TIMES_END: Final = 2**63
_TOPICS: Final = {topic.name: one for topic, one in reach.REACHES.items()}


class Watch:
    """One reader of everything that rules are about, but verdicts."""

    def __init__(
        self,
        bus: Bus,
        pool: "asyncpg.Pool[asyncpg.Record]",
        outbox: Outbox,
        rules: Rules,
        dispatcher: Dispatcher,
        rules_read: asyncio.Event,
    ) -> None:
        """`rules_read`: nothing is asked before."""
        self._outbox = outbox
        self._store = WatchStore(pool, outbox)
        self._rules = rules
        self._dispatcher = dispatcher
        self._rules_read = rules_read
        self._patience = Patience()
        self._known: list[AlertRule] = []
        self._book, self._book_s = Rulebook(), float("-inf")
        self._watching = Watching()
        self._watched = Watched(self._watching)
        self._states: dict[Place, State] = {}
        self._heard: dict[TopicPartition, int] = {}
        self._stands: dict[TopicPartition, int] = {}
        self._reached: dict[TopicPartition, int] = {}
        self._rows = Rows()
        self._written_s = self._whole_s = monotonic_s()
        self._held: set[TopicPartition] = set()
        self._before: dict[TopicPartition, int] = {}
        self._folding = fold(
            bus,
            *reach.REACHES,
            group=GROUP,
            handler=self._on_records,
            rejects=topics.ALERTS_REJECTS,
            restore=self._start,
            max_records=_BATCH,
        )

    def stop(self) -> None:
        """Wait no longer for the store or for rules: a batch in hand is given up, uncommitted, and comes again."""
        self._patience.stop()

    async def keep(self) -> None:
        """Write what waits when nothing comes, and forget what is long over, for ever."""
        forgot_s = float("-inf")
        while True:
            await asyncio.sleep(_ROWS_S)
            await self._folding.between_batches(self._idle)
            if monotonic_s() - forgot_s > _FORGET_S:
                forgot_s = monotonic_s()
                await self._patience.outlast(lambda: self._store.forget(now_ns(), _KEEP_NS), "watch")
                await self._folding.between_batches(self._reload)

    async def _start(self, _numbers: frozenset[int]) -> Mapping[TopicPartition, int]:
        """Begin anew with what is ours: empty windows, the stored states, and a place in each log."""
        consumer = self._folding.consumer()
        if consumer is None:
            return {}
        parts = sorted(consumer.assignment())
        stored, logs = await self._logs(consumer, parts)
        starts = {part: reach.start(_TOPICS[part.topic], logs[part]) for part in parts}
        new = {part: starts[part].heard for part in parts if part not in stored}
        await self._patience.outlast(lambda: self._store.settle_places(new), "offsets")
        self._states = await self._patience.outlast(self._store.states, "offsets")
        self._heard = {part: one.heard for part, one in starts.items()}
        self._stands = new | stored
        self._reached, self._rows = {}, Rows()
        self._watching = Watching()
        self._watched = Watched(self._watching)
        self._before = {part: logs[part].end for part in parts if part.topic == topics.LIQUIDATIONS.name}
        self._held = {part for part in parts if part.topic in reach.PATIENT}
        consumer.pause(*self._held)
        return {part: one.begin for part, one in starts.items()}

    async def _logs(
        self, consumer: AIOKafkaConsumer, parts: Sequence[TopicPartition]
    ) -> tuple[dict[TopicPartition, int], dict[TopicPartition, reach.Log]]:
        """Return the stored places, and how each partition's log stands."""
        if not parts:
            return {}, {}
        firsts, ends = await consumer.beginning_offsets(parts), await consumer.end_offsets(parts)
        stored: dict[TopicPartition, int] = {}
        for topic in {part.topic for part in parts}:
            log_of = {part.partition: (firsts[part], ends[part]) for part in parts if part.topic == topic}
            places = await self._patience.outlast(partial(self._outbox.places, topic, log_of), "offsets")
            stored |= {TopicPartition(topic, number): place for number, place in places.items()}
        back = {part: reach.back_ns(_TOPICS[part.topic], stored.get(part)) for part in parts}
        now = now_ns()
        told = await consumer.offsets_for_times(dict.fromkeys(parts, (now - reach.TOLD_NS) // 1_000_000))
        past = await consumer.offsets_for_times({part: (now - one) // 1_000_000 for part, one in back.items()})
        logs = {
            part: reach.Log(
                first=firsts[part],
                end=ends[part],
                told=told[part].offset if told.get(part) else ends[part],
                past=past[part].offset if past.get(part) else ends[part],
                stored=stored.get(part),
            )
            for part in parts
        }
        return stored, logs

    async def _on_records(self, records: Sequence[Record]) -> None:
        await self._patience.first(self._rules_read)
        await self._read_rules()
        found = Found()
        states = ChainMap(found.states, self._states)
        told: list[Subject] = []
        for record in records:
            part = TopicPartition(record.topic, record.partition)
            self._reached[part] = record.offset + 1
            subjects = self._watching.take(record.event)
            try:
                self._row(record.event)
                if record.offset < self._heard.get(part, 0):
                    continue
                for subject in subjects:
                    _check(subject)
            except ValueError as e:
                metrics.REJECTED.labels("value").inc()
                payload = encode(record.event)
                await self._folding.park(record.topic, record.partition, record.offset, payload, "value", str(e))
                continue
            told += subjects
            for subject in subjects:
                self._book.ask(subject, states, found, now_ns())
        self._rows.take(told)
        self._watched.count(told)
        await self._write(found)
        self._states.update(found.states)
        await self._loosen()

    async def _read_rules(self) -> None:
        if monotonic_s() - self._book_s < _RULES_S:
            return
        rules = await self._patience.outlast(self._rules.now, "watch")
        if rules != self._known:
            self._known, self._book = rules, Rulebook(rules)
        self._book_s = monotonic_s()

    async def _write(self, found: Found) -> None:
        """Write what may not wait, or has waited long enough; readings, and their places, wait longest."""
        at_s, rows, reached = monotonic_s(), self._rows, self._reached
        whole = at_s - self._whole_s > _PLACES_S
        soon = (rows.facts or rows.outcomes) and at_s - self._written_s > _ROWS_S
        if not reached or not (found.entries or found.states or soon or whole):
            return
        later = Rows() if whole else Rows(readings=rows.readings)
        waiting = {} if whole else {part: at for part, at in reached.items() if part.topic == topics.READINGS.name}
        ahead = {part: at for part, at in reached.items() if part not in waiting}
        told = Rows(facts=rows.facts, readings={} if later.readings else rows.readings, outcomes=rows.outcomes)
        new = await self._patience.outlast(
            lambda: self._store.keep(ahead, self._stands, found, told, now_ns()), "watch"
        )
        for part, place in ahead.items():
            self._stands[part] = max(place, self._stands[part])
        self._rows, self._reached = later, waiting
        self._written_s = at_s
        self._whole_s = at_s if whole else self._whole_s
        if new:
            self._dispatcher.nudge()

    async def _idle(self) -> None:
        if self._folding.owned:
            await self._write(Found())
            await self._loosen()

    async def _reload(self) -> None:
        self._states = await self._patience.outlast(self._store.states, "watch")

    async def _loosen(self) -> None:
        """Let trades and mark prices come once the liquidations before them were read."""
        consumer = self._folding.consumer()
        if not self._held or consumer is None:
            return
        with contextlib.suppress(KafkaError):  # the partitions may move between the two questions
            for part, end in self._before.items():
                if await consumer.position(part) < end:
                    return
            consumer.resume(*self._held)
            self._held = set()

    def _row(self, event: object) -> None:
        match event:
            case LayerReading() if event.layer in _MARKED:
                key = (event.venue, event.symbol, event.timeframe or "", event.layer)
                _storable(key, event.as_of_ns)
                self._rows.readings[key] = event
            case Outcome():
                _storable([event.signal_id], event.resolved_ns)
                self._rows.outcomes.append(event)
            case _:
                pass


def _check(subject: Subject) -> None:
    """Raise `ValueError` when the subject cannot be stored."""
    words = [value for value in subject.facts.values() if isinstance(value, str)]
    _storable([subject.key, subject.venue, subject.symbol, *words], subject.at_ns)


def _storable(words: Iterable[str], at_ns: int) -> None:
    for word in words:
        storable(word)
    if not 0 <= at_ns < _TIMES_END:
        raise ValueError(f"the time {at_ns} is out of the calendar")
