"""Tape, touch and forced closings of one market in; facts and marks about what happened out. None of it is scored."""

from msgspec import Struct, field

from libs.common.events import MINUTE_NS, Fact, Liquidation, Mark, OpenInterest, PositionSide, Trade
from libs.common.events.seen import Seen
from services.signals.engine.book import Levels
from services.signals.engine.flow.costs import Costs, measured
from services.signals.engine.flow.interest import Interest
from services.signals.engine.flow.liquidations import Cluster, Forced, cascades
from services.signals.engine.flow.tape import Tape
from services.signals.engine.flow.touch import Touch
from services.signals.engine.parameters.order_flow import OrderFlowParameters

_LIQUIDATIONS_KNOWN = 512
_HORIZON_ROWS = 64
"""Seconds that are looked at for the takers' balance, at most."""


class Happenings(Struct):
    """The running state of one market."""

    told: OrderFlowParameters
    tape: Tape
    touch: Touch
    forced: dict[str, Forced]
    """By who was liquidated."""
    known: Seen
    interest: Interest
    clusters: list[Cluster] = field(default_factory=list)
    feed: str = ""
    """How complete the venue tells its liquidations; empty before the first."""
    middle: float | None = None
    resting: tuple[float, float] = (0.0, 0.0)
    """Base units at the first levels of bids and asks, as far as a book is known."""
    bids: Levels = field(default_factory=list)
    asks: Levels = field(default_factory=list)
    costs: Costs = Costs()
    costed_ns: int = -1

    @classmethod
    def new(cls, told: OrderFlowParameters) -> "Happenings":
        """Return one that has heard nothing."""
        forced = {side.value: Forced(_bought(side), told.cluster_rows) for side in PositionSide}
        interest = Interest(told.cascade_ns)
        return cls(told, Tape.new(told), Touch.new(told), forced, Seen(_LIQUIDATIONS_KNOWN), interest)

    def on_trade(self, trade: Trade) -> None:
        """Take one trade, once."""
        self._pass(trade.event_ns)
        self.tape.take(trade, self.middle, self.resting)
        if trade.event_ns - self.costed_ns >= self.told.costs_every_ns:
            self.costed_ns = trade.event_ns
            self.costs = measured(self.tape.buckets.rows, self.told.least_buckets)
        self.touch.take(trade.event_ns, trade.price, trade.size, trade.side.sign)

    def on_levels(self, at_ns: int, bids: Levels, asks: Levels) -> None:
        """Take the first levels of a book that is proven, both sides there and not crossed."""
        self._pass(at_ns)
        self.bids, self.asks = bids, asks
        self.middle = (bids[0][0] + asks[0][0]) / 2
        if self.tape.tick is not None:
            self.tape.step(asks[0][0] - bids[0][0])
        self.resting = (sum([size for _, size in bids]), sum([size for _, size in asks]))
        self.touch.show(at_ns, bids[0], asks[0])
        self.tape.replenish(at_ns, *self.resting)

    def on_liquidation(self, event: Liquidation, feed: str) -> None:
        """Take a forced closing; one that the topic repeats is known."""
        if not self.known.add(f"{event.event_ns}|{event.price}|{event.size}|{event.liquidated}"):
            return
        self.feed = feed
        told = (self.told.cluster_sigmas, self.told.cluster_least_minutes, self.told.cluster_trailing_minutes)
        found = self.forced[event.liquidated.value].add(event.event_ns, event.price, event.notional, told)
        if found is not None:
            self.clusters = [*self.clusters, found][-self.told.events_kept :]

    def on_interest(self, event: OpenInterest) -> None:
        """Take the venue's open interest."""
        self.interest.take(event)

    def lose_trades(self) -> None:
        """Start anew where trades are missing."""
        self.tape.lose()
        self.costs, self.costed_ns = Costs(), -1
        self.touch.lose()

    def lose_book(self) -> None:
        """Forget the levels: what happens to them is unknown."""
        self.bids, self.asks, self.middle, self.resting = [], [], None, (0.0, 0.0)
        self.touch.lose()

    def facts(self, as_of_ns: int) -> dict[str, Fact]:
        """Return what is known at `as_of_ns`."""
        return {**self._costs(), **self._events(as_of_ns), **self._liquidations(as_of_ns)}

    def marks(self, as_of_ns: int) -> list[Mark]:
        """Return the zones that stand, and clusters of liquidations of the window."""
        window_ns = self.told.mark_ns
        forced = [
            Mark(
                kind="liquidation_cluster",
                low=one.low,
                high=one.high,
                side=0,
                strength=min(1.0, one.sigmas / (2 * self.told.cluster_sigmas)),
                formed_ns=one.at_ns - MINUTE_NS,
                known_ns=one.at_ns,
                state=self.feed,
            )
            for one in self.clusters
            if as_of_ns - window_ns < one.at_ns <= as_of_ns
        ]
        return [*self.tape.marks(as_of_ns), *self.touch.zones.standing(as_of_ns), *forced]

    def _pass(self, at_ns: int) -> None:
        self.tape.pass_time(at_ns)
        self.touch.pass_time(at_ns, self.bids, self.asks, self.tape.tick)

    def _costs(self) -> dict[str, Fact]:
        told, rows, costs = self.told, self.tape.buckets.rows, self.costs
        newest_ns = rows[-1].open_ns if rows else 0
        recent = [row for row in rows[-_HORIZON_ROWS:] if row.open_ns > newest_ns - told.horizon_ns]
        bought, sold = sum([row.bought for row in recent]), sum([row.sold for row in recent])
        size = sum([row[2] for row in self.tape.paid])
        slope = costs.kyle
        return {
            "tfi": (bought - sold) / (bought + sold) if bought + sold > 0 else None,
            "kyle_lambda": slope.slope if slope else None,
            "kyle_t": slope.t if slope else None,
            "kyle_r2": slope.r2 if slope else None,
            "kyle_drift": costs.drift,
            "amihud_per_million_quote": costs.amihud,
            "roll_spread_bp": costs.roll_bp,
            "effective_spread_bp": sum([row[1] for row in self.tape.paid]) / size * 1e4 if size > 0 else None,
            "vpin_descriptive": self.tape.toxicity.value(),
        }

    def _events(self, as_of_ns: int) -> dict[str, Fact]:
        told, tape, touch = self.told, self.tape, self.touch
        window_ns = told.event_window_ns
        facts: dict[str, Fact] = {
            "sweeps": tape.sweeps.within(window_ns, as_of_ns),
            "large_trades": tape.larges.within(window_ns, as_of_ns),
            "large_trade_base": tape.large_size,
            "absorptions": touch.absorptions.within(window_ns, as_of_ns),
            "iceberg_hints": touch.icebergs.within(window_ns, as_of_ns),
            "stacked_imbalances": sum(mark.kind == "stacked_imbalance" for mark in tape.marks(as_of_ns)),
        }
        sweep = tape.sweep
        if sweep is not None:
            facts |= {
                "last_sweep_side": sweep.run.side,
                "last_sweep_levels": sweep.run.levels,
                "last_sweep_base": sweep.run.size,
                "last_sweep_slippage_bp": sweep.run.slippage / sweep.run.first * 1e4,
                "last_sweep_replenished": sweep.replenished,
            }
        if touch.absorbed is not None:
            facts |= {"last_absorption_side": touch.absorbed.side, "last_absorption_price": touch.absorbed.price}
        if touch.iceberg is not None:
            facts |= {"last_iceberg_side": touch.iceberg_side, "last_iceberg_price": touch.iceberg.price}
        return facts

    def _liquidations(self, as_of_ns: int) -> dict[str, Fact]:
        if not self.feed:
            return {"liquidation_feed": None}
        told = self.told
        recent = [one for one in self.clusters if as_of_ns - told.cascade_ns < one.at_ns <= as_of_ns]
        side = cascades(recent, as_of_ns, (told.cascade_clusters, told.cascade_ns))
        change = self.interest.change(as_of_ns)
        return {
            "liquidation_feed": self.feed,
            "liquidation_clusters": len(recent),
            "liquidation_cascade_side": side,
            "liquidation_cascade_confirmed": None
            if change is None
            else bool(side) and change <= -told.cascade_interest,
            "open_interest_change_share": change,
        }


def _bought(side: PositionSide) -> int:
    """Return the side of the order that closes such a position: shorts are bought back."""
    return 1 if side is PositionSide.SHORT else -1
