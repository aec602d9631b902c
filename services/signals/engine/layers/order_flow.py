"""Layer `order_flow`: what arrives at and leaves the best levels of the book, which side is heavier, what happened?

Order flow imbalance after Cont, Kukanov, Stoikov (2014), per level after Xu, Gould, Howison (2019).
"""

from typing import ClassVar

from msgspec import Struct, field

from libs.common.events import SECOND_NS, BookDelta, BookSnapshot, Fact, Gap, Liquidation, OpenInterest, Trade
from services.signals.engine.book import Book, Levels, mid, queue_share, weighted_mid
from services.signals.engine.config import EngineConfig
from services.signals.engine.decay import Decay
from services.signals.engine.flow.happenings import Happenings
from services.signals.engine.flow.integrated import Integrated
from services.signals.engine.flow.microprice import MicroPrice
from services.signals.engine.layers.layer import Context, Opinion, TickLayer, abstain
from services.signals.engine.marks import marks_near

_BASIS_POINT = 1e-4


def level_flow(
    bid: tuple[float, float], ask: tuple[float, float], bid0: tuple[float, float], ask0: tuple[float, float]
) -> float:
    """Return the flow e between two states of one level, in base units; positive is buying pressure.

    e = 1{Pb >= Pb0} qb - 1{Pb <= Pb0} qb0 - 1{Pa <= Pa0} qa + 1{Pa >= Pa0} qa0; each argument is (price, size),
    the latter two of the state before.
    """
    flow = 0.0
    if bid[0] >= bid0[0]:
        flow += bid[1]
    if bid[0] <= bid0[0]:
        flow -= bid0[1]
    if ask[0] <= ask0[0]:
        flow -= ask[1]
    if ask[0] >= ask0[0]:
        flow += ask0[1]
    return flow


class OrderFlow(TickLayer, tag="order_flow"):
    """Depth-normalised flow at the first levels, forgetting over a horizon, with the balance of the queues.

    score = 0.5 flow + 0.3 queues + 0.2 touch, each in [-1, 1]: flow = sum e / sum |e| over levels, where e of a level
    is divided by its average depth; queues = (qb - qa) / (qb + qa) of all levels looked at; touch = the same of the
    best level, which is the distance of the weighted mid from the mid in half spreads. What happened on the tape and at
    the touch is told, and not scored.
    """

    name: ClassVar[str] = "order_flow"
    hears: ClassVar[frozenset[type[Struct]]] = frozenset({BookDelta, BookSnapshot, Trade, Liquidation, OpenInterest})

    levels: int
    horizon_ns: int
    stale_ns: int
    decay: Decay
    sampled: tuple[str, ...]
    most_marks: int
    happened: Happenings
    micro: MicroPrice
    joint: Integrated
    bids: Levels = field(default_factory=list)
    asks: Levels = field(default_factory=list)
    flow: list[float] = field(default_factory=list)
    gross: list[float] = field(default_factory=list)
    depth: list[float] = field(default_factory=list)
    seen: list[float] = field(default_factory=list)
    valid: bool = False
    cause: str = "no_book"
    since_ns: int = -1
    last_ns: int = -1
    sequence: int = -1

    @classmethod
    def new(cls, config: EngineConfig) -> "OrderFlow":
        """Return a layer that has heard nothing."""
        told = config.order_flow
        zeros = [0.0] * told.levels
        return cls(
            levels=told.levels,
            horizon_ns=told.horizon_ns,
            stale_ns=told.stale_ns,
            decay=Decay(told.horizon_ns),
            sampled=told.sampled_venues,
            most_marks=told.most_marks,
            happened=Happenings.new(told),
            micro=MicroPrice.new(told),
            joint=Integrated.new(told.levels, (told.components_ns, told.components_every_ns), told.least_components),
            flow=[*zeros],
            gross=[*zeros],
            depth=[*zeros],
            seen=[*zeros],
        )

    def on_trade(self, trade: Trade) -> None:
        """Take one trade, once."""
        self.happened.on_trade(trade)

    def on_context(self, event: Context) -> None:
        """Take a liquidation, or the open interest that a cascade of them brings down."""
        if isinstance(event, OpenInterest):
            self.happened.on_interest(event)
        elif isinstance(event, Liquidation):
            self.happened.on_liquidation(event, "sampled" if event.venue in self.sampled else "complete")

    def on_book(self, book: Book, event: BookSnapshot | BookDelta) -> None:
        """Take the book after `event`; only a delta that fits tells of flow, a snapshot only of the state after it."""
        if not book.valid:
            self._lose("out_of_sync")
            return
        if not book.two_sided or book.crossed:
            self._lose("crossed" if book.crossed else "one_sided")
            return
        bids, asks = book.bids.top(self.levels), book.asks.top(self.levels)
        self.last_ns, self.sequence = max(self.last_ns, event.event_ns), book.sequence
        if not self.valid:
            self.valid, self.since_ns = True, event.event_ns
        elif isinstance(event, BookDelta) and (bids != self.bids or asks != self.asks):
            if self.joint.due(event.event_ns):
                self.joint.take(event.event_ns, self._flows())
            self._flow(bids, asks, event.event_ns)
        self.happened.on_levels(event.event_ns, bids, asks)
        tick = self.happened.tape.tick
        if tick is not None and (not self.bids or bids[0] != self.bids[0] or asks[0] != self.asks[0]):
            self.micro.take(event.event_ns, bids[0], asks[0], tick)
        self.bids, self.asks = bids, asks

    def on_gap(self, gap: Gap) -> None:
        """Distrust the book until it is whole again; forget what the tape was doing where trades are missing."""
        if gap.stream == "trades" and not gap.recovered:
            self.happened.lose_trades()
        if gap.stream == "books" and not gap.recovered and self.valid:
            self._lose("gap")

    def read(self, as_of_ns: int) -> Opinion:
        """Return the pressure at `as_of_ns`."""
        if not self.valid:
            return abstain(self.cause)
        if as_of_ns - self.last_ns > self.stale_ns:
            return abstain("stale", {"silent_s": (as_of_ns - self.last_ns) / SECOND_NS})
        net, gross = self._pressure()
        flow = net / gross if gross > 0 else 0.0
        queues = 2 * queue_share(self.bids, self.asks) - 1
        touch = 2 * queue_share(self.bids[:1], self.asks[:1]) - 1
        score = max(-1.0, min(1.0, 0.5 * flow + 0.3 * queues + 0.2 * touch))
        confidence = min(1.0, max(0, as_of_ns - self.since_ns) / self.horizon_ns)
        facts = {**self._facts(net, flow, queues, touch), **self.happened.facts(as_of_ns)}
        middle = mid(self.bids, self.asks)
        return Opinion(score, confidence, facts, marks_near(self.happened.marks(as_of_ns), middle, self.most_marks))

    def _facts(self, net: float, flow: float, queues: float, touch: float) -> dict[str, Fact]:
        middle, spread = mid(self.bids, self.asks), self.asks[0][0] - self.bids[0][0]
        weighted = weighted_mid(self.bids, self.asks)
        offset = self.micro.offset(self.bids[0], self.asks[0])
        return {
            "ofi_depths": net / self.levels,
            "ofi_integrated_depths": self.joint.value(self._flows()),
            "ofi_integrated_share": self.joint.explained if self.joint.weights else None,
            "flow_balance": flow,
            "queue_imbalance": queues,
            "touch_imbalance": touch,
            "mid": middle,
            "weighted_mid": weighted,
            "weighted_mid_bp": (weighted - middle) / middle / _BASIS_POINT,
            "microprice": None if offset is None else middle + offset,
            "microprice_bp": None if offset is None else offset / middle / _BASIS_POINT,
            "spread_bp": spread / middle / _BASIS_POINT,
            "levels": min(len(self.bids), len(self.asks)),
            "book_sequence": self.sequence,
        }

    def _pressure(self) -> tuple[float, float]:
        return sum(self._flows()), sum(self._in_depths(self.gross))

    def _flows(self) -> list[float]:
        return self._in_depths(self.flow)

    def _in_depths(self, amounts: list[float]) -> list[float]:
        rows = zip(amounts, self.depth, self.seen, strict=True)
        return [amount * seen / depth if depth > 0 else 0.0 for amount, depth, seen in rows]

    def _flow(self, bids: Levels, asks: Levels, event_ns: int) -> None:
        keep, weight = self.decay.step(event_ns)
        flow, gross, depth, seen = self.flow, self.gross, self.depth, self.seen
        for level, (bid, ask, bid0, ask0) in enumerate(zip(bids, asks, self.bids, self.asks, strict=False)):
            e = weight * level_flow(bid, ask, bid0, ask0)
            flow[level] = flow[level] * keep + e
            gross[level] = gross[level] * keep + abs(e)
            depth[level] = depth[level] * keep + weight * (bid[1] + ask[1]) / 2
            seen[level] = seen[level] * keep + weight

    def _lose(self, cause: str) -> None:
        if self.valid:
            zeros = [0.0] * self.levels
            self.flow, self.gross, self.depth, self.seen = [*zeros], [*zeros], [*zeros], [*zeros]
            self.bids, self.asks = [], []
            self.happened.lose_book()
            self.micro.lose()
        self.valid, self.cause = False, cause
