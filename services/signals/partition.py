"""One partition of `market.*` in memory: its engine, what is held back, and the offsets it stands for."""

import logging
from collections.abc import Collection, Sequence
from typing import Final, TypeAlias

from libs.common.bus import topics
from libs.common.events import Candle, LayerReading, Reject, Signal, Source
from services.signals import metrics
from services.signals.engine.engine import Engine
from services.signals.merge import Arrived, Merge

log = logging.getLogger(__name__)

Output: TypeAlias = Candle | LayerReading | Signal

NAMES: Final = tuple(topic.name for topic in topics.MARKET)
PAUSE_ABOVE: Final = 5_000
RESUME_BELOW: Final = 1_000


class Partition:
    """Takes records in any interleaving of topics, folds them in the order of their receipt."""

    def __init__(self, number: int, engine: Engine, offsets: dict[str, int] | None = None) -> None:
        self.number = number
        self.engine = engine
        self.offsets = dict(offsets or {})
        """Topic -> the offset of the next record to fold."""
        self.journal_offset = 0
        self.dirty = False
        self._merge = Merge(NAMES)
        self._taken = dict(self.offsets)

    @classmethod
    def at(cls, other: "Partition") -> "Partition":
        """Return `other` with nothing held back, ready to take what follows its offsets."""
        fresh = cls(other.number, other.engine, other.offsets)
        fresh.journal_offset = other.journal_offset
        fresh.dirty = other.dirty
        return fresh

    @property
    def held_back(self) -> int:
        """How many records wait for another topic."""
        return len(self._merge)

    def take(self, arrived: Arrived) -> None:
        """Hold a record until nothing can precede it; one that was taken before is dropped."""
        if arrived.offset >= self._taken.get(arrived.topic, 0):
            self._taken[arrived.topic] = arrived.offset + 1
            self._merge.add(arrived)

    def release(self, caught_up: Collection[str]) -> list[Arrived]:
        """Return what may be folded now."""
        return self._merge.release(caught_up)

    def fold(self, batch: Sequence[Arrived]) -> tuple[list[Output], list[Reject]]:
        """Apply a batch in order; a market that breaks is reset alone, and its event parked."""
        outputs: list[Output] = []
        rejects: list[Reject] = []
        for arrived in batch:
            event = arrived.event
            self.offsets[arrived.topic] = arrived.offset + 1
            self.dirty = True
            if isinstance(event, Candle) and event.source is Source.TRADES:
                continue  # our own, on its way to others
            metrics.EVENTS.labels(type(event).__name__).inc()
            try:
                outputs += self.engine.apply(event)  # type: ignore[arg-type]  # market.* carries market events only
            except Exception as e:  # a bug that one market meets must not stop the others
                log.exception("a market was reset", extra={"topic": arrived.topic, "offset": arrived.offset})
                rejects.append(self._reset(arrived, e))
        return outputs, rejects

    def _reset(self, arrived: Arrived, error: Exception) -> Reject:
        venue = str(getattr(arrived.event, "venue", ""))
        symbol = str(getattr(arrived.event, "symbol", ""))
        metrics.FAULTS.labels(venue).inc()
        self.engine.forget(venue, symbol)
        return Reject(
            reason="handler",
            detail=repr(error),
            origin_of=f"{arrived.topic}/{self.number}/{arrived.offset}",
            at_ns=arrived.received_ns,
            payload=repr(arrived.event)[:4096],
            context={"venue": venue, "symbol": symbol},
        )

    def waiting(self) -> dict[str, int]:
        """Return how many records each topic has waiting."""
        return self._merge.waiting()
