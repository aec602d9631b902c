"""Producer ids and transactions: requests in, epochs that fence and markers in the logs out.

A transaction that was open when the broker died is aborted at the next start, and its producer fenced.
"""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from deploy.local.broker.codes import Code
from deploy.local.broker.files import write_whole
from deploy.local.broker.offsets import Committed, Offsets, Partition
from deploy.local.broker.topics import Topics

_ID_BLOCK: Final = 1000  # ids reserved on disk at once, so that no crash hands one out twice
_LAST_EPOCH: Final = 32_766


@dataclass(slots=True)
class Transaction:
    """One transactional id: its producer now, and what the open transaction touched."""

    producer_id: int
    epoch: int
    open: bool = False
    timeout_s: float = 60.0
    partitions: set[Partition] = field(default_factory=set)
    offsets: dict[str, dict[Partition, Committed]] = field(default_factory=dict)
    timer: asyncio.TimerHandle | None = None


class Transactions:
    """The coordinator of all transactional ids, and the source of producer ids."""

    def __init__(self, path: Path, topics: Topics, offsets: Offsets) -> None:
        self._path = path
        self._topics = topics
        self._offsets = offsets
        self._known: dict[str, Transaction] = {}
        self._by_producer: dict[int, Transaction] = {}
        saved = json.loads(path.read_text(encoding="utf-8") if path.exists() else '{"reserved": 0, "known": {}}')
        self._reserved = self._next_id = int(saved["reserved"])
        for name, (producer_id, epoch, was_open) in saved["known"].items():
            known = Transaction(producer_id, epoch + 1 if was_open else epoch)
            self._known[name] = self._by_producer[producer_id] = known
        for log in topics.all_logs():
            for producer_id in list(log.producers.ongoing):
                owner = self._by_producer.get(producer_id)
                epoch = owner.epoch if owner else log.producers.epoch(producer_id)
                log.end_transaction(producer_id, epoch, commit=False)
        self._save()

    def producer(self, name: str | None, timeout_ms: int) -> tuple[int, int]:
        """Return id and epoch for a producer that starts; with a transactional id all its predecessors are fenced."""
        if name is None:
            return self._new_id(), 0
        known = self._known.get(name)
        if known is None or known.epoch >= _LAST_EPOCH:
            if known is not None and known.open:
                self._finish(known, commit=False)
            known = self._known[name] = Transaction(self._new_id(), -1)
            self._by_producer[known.producer_id] = known
        known.epoch += 1
        known.timeout_s = timeout_ms / 1000
        if known.open:
            self._finish(known, commit=False)
        self._save()
        return known.producer_id, known.epoch

    def check(self, name: str, producer_id: int, epoch: int) -> Code:
        """Return whether the sender is the current producer of the transactional id `name`."""
        known = self._known.get(name)
        if known is None or known.producer_id != producer_id:
            return Code.INVALID_PRODUCER_ID_MAPPING
        return Code.NONE if known.epoch == epoch else Code.INVALID_PRODUCER_EPOCH

    def check_batch(self, producer_id: int, epoch: int, partition: Partition) -> Code:
        """Return whether a transactional batch belongs to the open transaction of its producer."""
        known = self._by_producer.get(producer_id)
        if known is None:
            return Code.INVALID_PRODUCER_ID_MAPPING
        if known.epoch != epoch:
            return Code.INVALID_PRODUCER_EPOCH
        return Code.NONE if partition in known.partitions else Code.INVALID_TXN_STATE

    def add_partitions(self, name: str, partitions: Iterable[Partition]) -> None:
        """Let the transaction of a checked `name` begin, or go on, with `partitions`."""
        known = self._known[name]
        known.partitions.update(partitions)
        self._begin(known)

    def add_offsets(self, name: str, group: str, offsets: Iterable[tuple[Partition, Committed]]) -> None:
        """Commit `offsets` for `group` together with the transaction of a checked `name`."""
        known = self._known[name]
        known.offsets.setdefault(group, {}).update(offsets)
        self._begin(known)

    def end(self, name: str, *, commit: bool) -> Code:
        """End the transaction of a checked `name`."""
        known = self._known[name]
        if not known.open and not commit:
            return Code.NONE
        if not known.open:
            return Code.INVALID_TXN_STATE
        self._finish(known, commit=commit)
        self._save()
        return Code.NONE

    def close(self) -> None:
        """Stop the timers; open transactions are aborted at the next start."""
        for known in self._known.values():
            if known.timer:
                known.timer.cancel()
        self._save()

    def _begin(self, known: Transaction) -> None:
        if not known.open:
            known.open = True
            known.timer = asyncio.get_running_loop().call_later(known.timeout_s, self._expire, known)
            self._save()

    def _expire(self, known: Transaction) -> None:
        known.epoch += 1
        self._finish(known, commit=False)
        self._save()

    def _finish(self, known: Transaction, *, commit: bool) -> None:
        if known.timer:
            known.timer.cancel()
        for topic, number in known.partitions:
            log = self._topics.log(topic, number)
            if log is not None:
                log.end_transaction(known.producer_id, known.epoch, commit=commit)
        if commit:
            for group, entries in known.offsets.items():
                self._offsets.commit(group, entries.items())
        known.open = False
        known.partitions.clear()
        known.offsets.clear()

    def _new_id(self) -> int:
        if self._next_id >= self._reserved:
            self._reserved += _ID_BLOCK
            self._save()
        self._next_id += 1
        return self._next_id

    def _save(self) -> None:
        known = {name: [entry.producer_id, entry.epoch, entry.open] for name, entry in self._known.items()}
        write_whole(self._path, json.dumps({"reserved": self._reserved, "known": known}))
