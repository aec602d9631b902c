"""A partition's idempotent producers: headers in; duplicates, disorder, old epochs and aborts out. Pure."""

from collections import deque
from typing import Final, NamedTuple

from deploy.local.broker.codes import Code
from deploy.local.broker.records import Buffer, Header, commits

_WINDOW: Final = 5  # batches a producer may have in flight
_KEPT: Final = 1000  # producers remembered a partition, the oldest go first
_SEQUENCES: Final = 0x7FFFFFFF


class Aborted(NamedTuple):
    """A rolled back transaction, as readers of committed data must know it."""

    producer_id: int
    first_offset: int
    marker_offset: int


class _Window:
    __slots__ = ("batches", "epoch")

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.batches: deque[tuple[int, int, int]] = deque(maxlen=_WINDOW)  # first and last sequence, offset


class Producers:
    """The memory; rebuilt from the log's own batches at start."""

    def __init__(self) -> None:
        self._windows: dict[int, _Window] = {}
        self.ongoing: dict[int, int] = {}
        """First offset of each open transaction, by producer id."""
        self.aborted: list[Aborted] = []

    def check(self, head: Header) -> tuple[Code, int | None]:
        """Return whether a batch may be appended, and the offset under which it already was if it is a duplicate."""
        window = self._windows.get(head.producer_id)
        if window is None:
            return Code.NONE, None
        first, last = head.base_sequence, (head.base_sequence + head.last_offset_delta) & _SEQUENCES
        if head.producer_epoch < window.epoch:
            return Code.INVALID_PRODUCER_EPOCH, None
        if head.producer_epoch > window.epoch:
            return (Code.NONE if first == 0 else Code.OUT_OF_ORDER_SEQUENCE_NUMBER), None
        for known_first, known_last, offset in window.batches:
            if (known_first, known_last) == (first, last):
                return Code.NONE, offset
        if window.batches and first != (window.batches[-1][1] + 1) & _SEQUENCES:
            return Code.OUT_OF_ORDER_SEQUENCE_NUMBER, None
        return Code.NONE, None

    def track(self, head: Header, base: int, batch: Buffer) -> None:
        """Remember a batch that is in the log under offset `base`; `batch` is only read for a marker."""
        window = self._window(head.producer_id, head.producer_epoch)
        if head.control:
            first = self.ongoing.pop(head.producer_id, None)
            if first is not None and not commits(batch):
                self.aborted.append(Aborted(head.producer_id, first, base))
            return
        last = (head.base_sequence + head.last_offset_delta) & _SEQUENCES
        window.batches.append((head.base_sequence, last, base))
        if head.transactional:
            self.ongoing.setdefault(head.producer_id, base)

    def epoch(self, producer_id: int) -> int:
        """Return the newest epoch seen of a producer, 0 if it was never seen."""
        window = self._windows.get(producer_id)
        return window.epoch if window else 0

    def last_batches(self) -> set[int]:
        """Return the offset of each producer's last batch: after a restart the sequence goes on from there."""
        return {window.batches[-1][2] for window in self._windows.values() if window.batches}

    def forget_before(self, offset: int) -> None:
        """Drop the aborted transactions that lie wholly before the log's start."""
        if self.aborted:
            self.aborted = [entry for entry in self.aborted if entry.marker_offset >= offset]

    def _window(self, producer_id: int, epoch: int) -> _Window:
        window = self._windows.get(producer_id)
        if window is None:
            if len(self._windows) >= _KEPT:
                oldest = next((known for known in self._windows if known not in self.ongoing), producer_id)
                self._windows.pop(oldest, None)
            window = self._windows[producer_id] = _Window(epoch)
        elif epoch > window.epoch:
            window.epoch = epoch
            window.batches.clear()
        return window
