"""A published signal recomputed from the log: the snapshot before it, the journal since, and a comparison of bytes."""

from typing import Any, Final

import msgspec
from msgspec import Struct

from libs.common.bus import topics
from libs.common.bus.codec import decode, encode
from libs.common.bus.publisher import partition_of
from libs.common.bus.reading import Raw, Reader
from libs.common.events import Signal
from libs.common.runtime.errors import CheckFailed, ConfigurationError, InputError
from services.signals.engine.config import ENGINE_VERSION, EngineConfig
from services.signals.engine.engine import Engine
from services.signals.partition import Partition
from services.signals.past import Forgotten, batches, entries, partition_from, usable
from services.signals.snapshots import Folded, Snapshot, SnapshotError

_ENTRIES_AT_ONCE: Final = 100


class Verification(Struct, frozen=True, kw_only=True):
    """What came of it."""

    signal_id: str
    equal: bool
    """Every record of the signal has the bytes that the engine makes of the log."""
    records: int
    """How often the signal stands on its topic."""
    replayed: int
    """Market events that were folded again."""
    since: str
    """Where the computation began: a snapshot's offset, or the journal's start."""
    difference: str | None = None
    """The first field that differs, with both values."""


async def verify(reader: Reader, signal_id: str, config: EngineConfig) -> Verification:
    """Return whether the log still makes the signal that stands on its topic.

    Raises:
        InputError: no such signal is kept.
        ConfigurationError: it was made by another engine version or configuration.
        CheckFailed: the log does not reach back far enough, or makes no such signal.
        DependencyDown: the broker went away.
    """
    published = await _published(reader, signal_id)
    signal = decode(published[0])
    assert isinstance(signal, Signal)
    _same_engine(signal, config)
    number = partition_of(signal.symbol.encode(), topics.MARKET_PARTITIONS)
    snapshot, since = await _before(reader, number, signal, config)
    first, last = await reader.bounds(topics.JOURNAL, number)
    start = snapshot.journal_offset if snapshot else 0
    if start < first:
        raise CheckFailed(
            f"the journal of partition {number} begins at {first}; {start} would be needed for {signal_id}"
        )
    partition = partition_from(number, snapshot, config)
    replayed = 0
    journal: list[Folded] = []
    try:
        async for entry in entries(reader, number, start, last):
            journal.append(entry)
            if len(journal) == _ENTRIES_AT_ONCE:
                found, replayed = await _fold(reader, partition, journal, signal_id, replayed)
                if found:
                    return _compared(signal, published, found, replayed, since)
                journal = []
        found, replayed = await _fold(reader, partition, journal, signal_id, replayed)
    except (Forgotten, SnapshotError) as e:
        raise CheckFailed(f"the log does not hold any more what {signal_id} was made of: {e}") from e
    if found is None:
        raise CheckFailed(f"the log makes no signal {signal_id}: {replayed} events were folded since {since}")
    return _compared(signal, published, found, replayed, since)


async def _published(reader: Reader, signal_id: str) -> list[bytes]:
    """Return every record of the signal, oldest first."""
    wanted = f'"{signal_id}"'.encode()
    found: list[bytes] = []
    for number in range(topics.SIGNALS.partitions):
        async for raw in reader.read_all(topics.SIGNALS, number):
            if raw.value and wanted in raw.value:
                event = decode(raw.value)
                if isinstance(event, Signal) and event.signal_id == signal_id:
                    found.append(raw.value)
    if not found:
        raise InputError(f"no signal {signal_id} is kept on {topics.SIGNALS.name}")
    return found


def _same_engine(signal: Signal, config: EngineConfig) -> None:
    made = (signal.inputs.get("engine_version"), signal.inputs.get("config"))
    if made != (ENGINE_VERSION, config.digest()):
        raise ConfigurationError(
            f"{signal.signal_id} was made by engine version {made[0]} with configuration {made[1]};"
            f" this is version {ENGINE_VERSION} with {config.digest()}: see CSX_SIGNALS_*"
        )


async def _before(reader: Reader, number: int, signal: Signal, config: EngineConfig) -> tuple[Snapshot | None, str]:
    """Return the newest snapshot that is older than the signal; None where only the journal's start is."""
    offsets = [raw.offset async for raw in reader.read_all(topics.STATE, number)]
    beyond = len(offsets)
    low = 0
    found: Snapshot | None = None
    while low < beyond:
        middle = (low + beyond) // 2
        snapshot = await _at(reader, number, offsets[middle], config)
        if snapshot is None:  # of no use: whoever looks for the newest may as well go on with the one after it
            offsets.pop(middle)
            beyond -= 1
            continue
        if Engine.load(snapshot.engine, config).closed_ns(signal.venue, signal.symbol) < signal.as_of_ns:
            found, low = snapshot, middle + 1
        else:
            beyond = middle
    if found is None:
        return None, "the journal's start"
    return found, f"the snapshot at {topics.STATE.name}/{number}/{offsets[low - 1]}"


async def _at(reader: Reader, number: int, offset: int, config: EngineConfig) -> Snapshot | None:
    raws: list[Raw] = [raw async for raw in reader.read(topics.STATE, number, offset, offset + 1)]
    return usable(raws[0], number, config) if raws else None


async def _fold(
    reader: Reader, partition: Partition, journal: list[Folded], signal_id: str, replayed: int
) -> tuple[Signal | None, int]:
    for batch in await batches(reader, partition, journal):
        outputs, _ = partition.fold(batch)
        replayed += len(batch)
        for output in outputs:
            if isinstance(output, Signal) and output.signal_id == signal_id:
                return output, replayed
    return None, replayed


def _compared(signal: Signal, published: list[bytes], found: Signal, replayed: int, since: str) -> Verification:
    data = encode(found)
    equal = all(record == data for record in published)
    return Verification(
        signal_id=signal.signal_id,
        equal=equal,
        records=len(published),
        replayed=replayed,
        since=since,
        difference=None if equal else _difference(next(record for record in published if record != data), data),
    )


def _difference(published: bytes, made: bytes) -> str:
    """Return the first place in which two JSON objects differ, as `path: published, recomputed`."""
    path, there, here = _first("", msgspec.json.decode(published), msgspec.json.decode(made))
    return f"{path or 'order of fields'}: published {there!r}, recomputed {here!r}"


def _first(path: str, there: Any, here: Any) -> tuple[str, Any, Any]:
    if isinstance(there, dict) and isinstance(here, dict):
        for key in [*there, *(key for key in here if key not in there)]:
            if there.get(key) != here.get(key):
                return _first(f"{path}.{key}".lstrip("."), there.get(key), here.get(key))
    if isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        for at, (one, other) in enumerate(zip(there, here, strict=True)):
            if one != other:
                return _first(f"{path}[{at}]", one, other)
    return path, there, here
