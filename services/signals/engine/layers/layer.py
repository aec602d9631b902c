"""What a layer is: market facts in as they come, an opinion out when asked, at one moment of event time."""

from abc import abstractmethod
from typing import ClassVar

from msgspec import Struct, field

from libs.common.events import BookDelta, BookSnapshot, Fact, Gap, Trade
from services.signals.engine.book import Book
from services.signals.engine.config import EngineConfig
from services.signals.engine.indicators import Values


class Opinion(Struct, frozen=True):
    """A layer's answer: score in [-1, 1], confidence in [0, 1], and the evidence."""

    score: float
    confidence: float
    facts: dict[str, Fact] = field(default_factory=dict)


def abstain(cause: str, facts: dict[str, Fact] | None = None) -> Opinion:
    """Return the opinion of a layer that has none, and why."""
    return Opinion(0.0, 0.0, {"cause": cause, **(facts or {})})


def belated(opinion: Opinion) -> Opinion:
    """Return an opinion of one bar ago as what it is worth now: half as sure, and marked."""
    return Opinion(opinion.score, opinion.confidence / 2, {**opinion.facts, "bars_behind": 1})


class TickLayer(Struct):
    """A layer that listens to the tape or the book. Its fields are its whole memory, and are dumped with the engine."""

    name: ClassVar[str]
    hears: ClassVar[frozenset[type[Struct]]]
    """Events that may change its opinion, and so let it be published."""

    @classmethod
    @abstractmethod
    def new(cls, config: EngineConfig) -> "TickLayer":
        """Return a layer that has heard nothing."""

    def on_trade(self, trade: Trade) -> None:
        """Take one trade, once."""

    def on_book(self, book: Book, event: BookSnapshot | BookDelta) -> None:
        """Take the book after `event` was tried on it: it may have become invalid."""

    def on_gap(self, gap: Gap) -> None:
        """Take note of a hole in a stream."""

    @abstractmethod
    def read(self, as_of_ns: int) -> Opinion:
        """Return the opinion at `as_of_ns`, which is not before anything heard; changes nothing."""


class BarLayer:
    """A layer that reads closed bars. It remembers nothing: indicators do."""

    name: ClassVar[str]

    @staticmethod
    @abstractmethod
    def read(values: Values, bars: int) -> Opinion:
        """Return the opinion at the close that `values` are of; `bars` is the length of the unbroken history."""
