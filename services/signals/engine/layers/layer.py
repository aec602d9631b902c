"""What a layer is: market facts in as they come, an opinion out when asked, at one moment of event time."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, TypeAlias

from msgspec import Struct, field

from libs.common.events import (
    BookDelta,
    BookSnapshot,
    Fact,
    FundingRate,
    Gap,
    Liquidation,
    Mark,
    MarkPrice,
    Metric,
    OpenInterest,
    Timeframe,
    Trade,
)
from services.signals.engine.bars import Bar
from services.signals.engine.book import Book
from services.signals.engine.config import EngineConfig
from services.signals.engine.indicators import Values
from services.signals.engine.tape.venues import Together

Context: TypeAlias = Liquidation | FundingRate | OpenInterest | MarkPrice | Metric
"""Events that are neither tape nor book."""


class Opinion(Struct, frozen=True):
    """A layer's answer: score in [-1, 1], confidence in [0, 1], the evidence, and the prices it speaks of."""

    score: float
    confidence: float
    facts: dict[str, Fact] = field(default_factory=dict)
    marks: tuple[Mark, ...] = ()


def abstain(cause: str, facts: dict[str, Fact] | None = None) -> Opinion:
    """Return the opinion of a layer that has none, and why."""
    return Opinion(0.0, 0.0, {"cause": cause, **(facts or {})})


def heard(opinion: Opinion) -> Opinion:
    """Return an opinion; one without any confidence, as of a layer that has just begun, as the abstention it is."""
    if opinion.confidence > 0 or "cause" in opinion.facts:
        return opinion
    return Opinion(0.0, 0.0, {"cause": "warming_up", **opinion.facts}, opinion.marks)


def belated(opinion: Opinion) -> Opinion:
    """Return an opinion of one bar ago as what it is worth now: half as sure, and marked."""
    return Opinion(opinion.score, opinion.confidence / 2, {**opinion.facts, "bars_behind": 1}, opinion.marks)


class View(Struct, frozen=True):
    """One timeframe as of a moment: its last closed bar and what the indicators say at that close."""

    close_ns: int
    values: Values
    bars: int
    """Length of the unbroken history that ends with it."""


class Partial(Struct, frozen=True):
    """A bar that has not closed yet, as far as closed minutes make it; only fields named `*_forming` may use it."""

    open_ns: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class Close(Struct, frozen=True, kw_only=True):
    """What a layer of bars may look at: all that is known at the close of one bar of its market, nothing later."""

    timeframe: Timeframe
    close_ns: int
    """The bar's own close; what is asked for is the opinion at this moment."""
    price: float
    """Last trade price."""
    values: Values
    """At the last complete bar of this timeframe: this one, or, where it is incomplete, the one before it."""
    bars: int
    """Length of the unbroken history that `values` end."""
    run: Sequence[Bar]
    """Its newest bars, oldest first."""
    ticks: Mapping[str, Opinion]
    """What the tick layers said at this moment."""
    views: Mapping[Timeframe, View]
    """Every timeframe whose last bar before this moment is known and complete, this one included."""
    forming: Mapping[Timeframe, Partial]
    """The bars that are open at this moment."""
    marks: Sequence[Mark]
    """Those of the tick layers, then of the bar layers that stand before in the table."""
    together: Together | None = None
    """What takers did in the bar's time on all venues of the symbol; absent for a span longer than is kept."""
    regime: str | None = None
    regime_facts: Mapping[str, Fact] = field(default_factory=dict)
    """Why that word stands."""


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

    def on_context(self, event: Context) -> None:
        """Take an event that is neither tape nor book; as often as the topic repeats it."""

    def on_close(self, close: Close, opinions: Mapping[str, Opinion]) -> None:
        """Take a closed bar, after everything was said about it; `opinions` are those of all layers."""

    def on_gap(self, gap: Gap) -> None:
        """Take note of a hole in a stream."""

    @abstractmethod
    def read(self, as_of_ns: int) -> Opinion:
        """Return the opinion at `as_of_ns`, which is not before anything heard; changes nothing."""


class BarLayer(Struct):
    """A layer that reads closed bars: one a timeframe. Its fields are its whole memory of the unbroken run of bars.

    It is built anew, and given the whole run again, when older bars join the run or a hole ends it.
    """

    name: ClassVar[str]
    """That of a tick layer where it completes that layer's opinion for one timeframe: then it stands in its place."""

    @classmethod
    @abstractmethod
    def new(cls, config: EngineConfig) -> "BarLayer":
        """Return a layer that has seen nothing."""

    def on_bar(self, bar: Bar, values: Values, close_ns: int) -> None:
        """Take the next closed complete bar, the indicators at its close, and the time of that."""

    @abstractmethod
    def read(self, close: Close) -> Opinion:
        """Return the opinion at `close`; changes nothing."""
