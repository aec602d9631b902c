"""What watching leaves behind, kept in PostgreSQL: where reading stands, where rules stand, and rows for the bot."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import asyncpg
import msgspec
from aiokafka import TopicPartition

from libs.common.bus.codec import encode
from libs.common.conditions.subjects import Kind, Subject
from libs.common.events import LayerReading, Outcome
from services.alerts.policy.matching import momentary
from services.alerts.policy.triggers import Phase, State
from services.alerts.store import lives
from services.alerts.store.outbox import Outbox
from services.alerts.watching.asking import Found, Place, Rulebook

_STATES: Final = "SELECT rule_id, key, phase, since_ns, episode FROM alerts.triggers"
_OF_KIND: Final = f"{_STATES} WHERE starts_with(key, $1)"
_SETTLE: Final = """
INSERT INTO alerts.triggers (rule_id, key, phase, since_ns, episode)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[])
ON CONFLICT (rule_id, key)
DO UPDATE SET phase = excluded.phase, since_ns = excluded.since_ns, episode = excluded.episode
"""
_MEET: Final = """
INSERT INTO alerts.offsets (topic, partition, next_offset)
SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[])
ON CONFLICT DO NOTHING
"""
_LOCK: Final = """
SELECT o.topic, o.partition, o.next_offset FROM alerts.offsets AS o
JOIN unnest($1::text[], $2::int[]) AS ours (topic, partition) USING (topic, partition)
ORDER BY o.topic, o.partition
FOR UPDATE OF o
"""
_ADVANCE: Final = """
UPDATE alerts.offsets AS o SET next_offset = reached.place
FROM unnest($1::text[], $2::int[], $3::bigint[]) AS reached (topic, partition, place)
WHERE o.topic = reached.topic AND o.partition = reached.partition
"""
_FACTS: Final = """
INSERT INTO alerts.facts (kind, venue, symbol, at_ns, origin, facts) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (kind, venue, symbol)
DO UPDATE SET at_ns = excluded.at_ns, origin = excluded.origin, facts = excluded.facts
"""
_READING: Final = """
INSERT INTO alerts.readings (venue, symbol, timeframe, layer, at_ns, event) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (venue, symbol, timeframe, layer) DO UPDATE SET at_ns = excluded.at_ns, event = excluded.event
"""
_OUTCOME: Final = """
INSERT INTO alerts.outcomes (signal_id, resolved_ns, event) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
"""
_FORGET: Final = """
DELETE FROM alerts.triggers WHERE since_ns < least($1, (SELECT max(since_ns) FROM alerts.triggers)) - $2
"""


class Overtaken(Exception):
    """Somebody else reads a partition that we took for ours; whoever starts anew finds everything as it is stored."""

    def __init__(self, part: TopicPartition, stored: int, believed: int) -> None:
        super().__init__(f"{part.topic}/{part.partition} is stored at {stored}, not at {believed}")


class Rows(msgspec.Struct):
    """What is written beside alerts; the newest of a key is the last that was read, in the order of its partition."""

    facts: dict[tuple[str, str, str], Subject] = msgspec.field(default_factory=dict)
    readings: dict[tuple[str, str, str, str], LayerReading] = msgspec.field(default_factory=dict)
    outcomes: list[Outcome] = msgspec.field(default_factory=list)

    def take(self, subjects: Iterable[Subject]) -> None:
        """Keep the facts that stand for the whole of their kind, venue and symbol."""
        for one in subjects:
            if not (one.kind is Kind.METRIC and ("exchange" in one.facts or momentary(one))):
                self.facts[(one.kind.value, one.venue, one.symbol)] = one


class WatchStore:
    """One transaction a call."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", outbox: Outbox) -> None:
        self._pool = pool
        self._outbox = outbox

    async def states(self) -> dict[Place, State]:
        """Return where all rules stand."""
        return _states(await self._pool.fetch(_STATES))

    async def settle_places(self, places: Mapping[TopicPartition, int]) -> None:
        """Write where reading begins to count, for partitions that were never read: from then on nothing is missed."""
        await self._pool.execute(_MEET, *_columns(places))

    async def keep(
        self,
        reached: Mapping[TopicPartition, int],
        stands: Mapping[TopicPartition, int],
        found: Found,
        rows: Rows,
        now_ns: int,
    ) -> int:
        """Take alerts, states and rows together with the offsets they stand at, or nothing; return how many are new.

        `stands` is what we believe to be stored; what we are about to write is as well, when an earlier call of ours
        was not answered.

        Raises:
            Overtaken: it is neither, so somebody else reads one of these partitions.
        """
        ahead = {part: max(place, stands[part]) for part, place in reached.items()}
        async with self._pool.acquire() as connection, connection.transaction():
            for row in await connection.fetch(_LOCK, *_columns(ahead)[:2]):
                part = TopicPartition(row["topic"], row["partition"])
                if row["next_offset"] not in {stands[part], ahead[part]}:
                    raise Overtaken(part, row["next_offset"], stands[part])
            new = await self._take(connection, found, now_ns)
            await connection.execute(_ADVANCE, *_columns(ahead))
            await _write(connection, rows)
            for outcome in rows.outcomes:
                await lives.resolve(connection, outcome, now_ns)
        return new

    async def ask(self, subjects: Sequence[Subject], book: Rulebook, now_ns: int) -> int:
        """Ask `book` about subjects of one kind that are on no topic; their states are read, and written, with it."""
        rows, found = Rows(), Found()
        rows.take(subjects)
        async with self._pool.acquire() as connection, connection.transaction():
            states = _states(await connection.fetch(_OF_KIND, f"{subjects[0].kind}|")) if subjects else {}
            for subject in subjects:
                book.ask(subject, states, found, now_ns)
            await _write(connection, rows)
            return await self._take(connection, found, now_ns)

    async def forget(self, now_ns: int, keep_ns: int) -> None:
        """Forget where rules stood `keep_ns` ago and earlier, by the clock of events where that is behind ours."""
        await self._pool.execute(_FORGET, now_ns, keep_ns)

    async def _take(self, connection: Any, found: Found, now_ns: int) -> int:
        if found.states:
            table = [
                (*place, state.phase.value, state.since_ns, state.episode)
                for place, state in sorted(found.states.items())
            ]
            await connection.execute(_SETTLE, *map(list, zip(*table, strict=True)))
        return len(await self._outbox.insert(connection, found.entries, now_ns)) if found.entries else 0


async def _write(connection: Any, rows: Rows) -> None:
    if rows.facts:
        facts = [
            (*key, one.at_ns, one.origin.value, msgspec.json.encode(one.facts).decode())
            for key, one in sorted(rows.facts.items())
        ]
        await connection.executemany(_FACTS, facts)
    if rows.readings:
        readings = [(*key, one.as_of_ns, encode(one)) for key, one in sorted(rows.readings.items())]
        await connection.executemany(_READING, readings)
    if rows.outcomes:
        outcomes = [(one.signal_id, one.resolved_ns, encode(one)) for one in rows.outcomes]
        await connection.executemany(_OUTCOME, sorted(outcomes))


def _states(rows: Sequence[Any]) -> dict[Place, State]:
    return {(row["rule_id"], row["key"]): State(Phase(row["phase"]), row["since_ns"], row["episode"]) for row in rows}


def _columns(places: Mapping[TopicPartition, int]) -> tuple[list[str], list[int], list[int]]:
    ordered = sorted(places.items())
    return [part.topic for part, _ in ordered], [part.partition for part, _ in ordered], [place for _, place in ordered]
