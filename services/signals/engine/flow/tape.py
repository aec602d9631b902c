"""Trades in; runs of takers, sweeps, large runs, seconds, volume buckets and footprints out."""

from msgspec import Struct, field

from libs.common.events import SECOND_NS, Mark, Trade
from services.signals.engine.flow.buckets import Buckets
from services.signals.engine.flow.footprint import Footprint
from services.signals.engine.flow.quantile import Quantile
from services.signals.engine.flow.recent import Recent
from services.signals.engine.flow.runs import Run, joins
from services.signals.engine.flow.toxicity import Toxicity
from services.signals.engine.flow.zones import Zones
from services.signals.engine.parameters.order_flow import OrderFlowParameters


class Sweep(Struct, frozen=True):
    """The newest run that took several levels at once and was large as well."""

    run: Run
    resting: float
    """Base units at the first levels of the swept side before it; 0 where no book was known."""
    replenished: float | None = None
    """What rests there a second later, over `resting`."""


class Tape(Struct):
    """What takers did. Sizes are compared in base units, so that a scaled price changes nothing."""

    told: OrderFlowParameters
    buckets: Buckets
    toxicity: Toxicity
    sizes: Quantile
    sweeps: Recent
    larges: Recent
    footprint: Footprint
    zones: Zones
    run: Run | None = None
    resting: float = 0.0
    """Of the side that the open run takes from, before it."""
    sweep: Sweep | None = None
    large: Run | None = None
    sweep_size: float | None = None
    large_size: float | None = None
    judged_ns: int = -1
    tick: float | None = None
    ticks_changed: int = 0
    print_ns: int = -1
    """End of the footprint's minute."""
    paid: list[tuple[int, float, float]] = field(default_factory=list)
    """(second, effective spread x size, size), by the mid before each trade."""

    @classmethod
    def new(cls, told: OrderFlowParameters) -> "Tape":
        """Return a tape that has heard nothing."""
        return cls(
            told=told,
            buckets=Buckets(told.buckets),
            toxicity=Toxicity(told.vpin_learn_ns, told.vpin_learn_buckets, told.vpin_buckets),
            sizes=Quantile(told.sizes_ns),
            sweeps=Recent(told.events_kept),
            larges=Recent(told.events_kept),
            footprint=Footprint(told.footprint_rows),
            zones=Zones(told.marks, told.mark_ns),
        )

    def take(self, trade: Trade, middle: float | None, resting: tuple[float, float]) -> None:
        """Take a trade, the mid before it, and what rests at the first levels: (bids, asks)."""
        at_ns, price, size, side = trade.event_ns, trade.price, trade.size, trade.side.sign
        run = self.run
        if run is not None and joins(run, at_ns, side, self.told.run_ns):
            run.take(at_ns, price, size)
        else:
            if run is not None:
                self._judge(run)
            self.resting = resting[1] if side > 0 else resting[0]
            self.run = Run(side, at_ns, at_ns, price, price, size, price * size)
        signed = side * size
        if self.buckets.add(at_ns, price, signed):
            self._second(at_ns, price)
        if middle is not None:
            self._pay(at_ns, 2 * side * (price - middle) / middle, size)
        self.toxicity.add(at_ns, signed)
        if self.tick is not None and at_ns >= self.print_ns - self.told.footprint_ns:
            self.footprint.add(round(price / self.tick), signed)

    def pass_time(self, at_ns: int) -> None:
        """End the open run when its time is over."""
        if self.run is not None and at_ns - self.run.open_ns > self.told.run_ns:
            self._judge(self.run)
            self.run = None

    def step(self, tick: float) -> None:
        """Learn of a price step; a smaller one than all before makes new rows, and a new footprint."""
        if self.tick is not None:
            if tick >= self.tick * 0.999:
                return
            self.ticks_changed += 1
        self.tick = float(f"{tick:.6g}")
        self.footprint = Footprint(self.told.footprint_rows)

    def replenish(self, at_ns: int, bids: float, asks: float) -> None:
        """Take what rests at the first levels now; the newest sweep's levels are judged once, a second after it."""
        sweep = self.sweep
        if sweep is None or sweep.replenished is not None or sweep.resting <= 0:
            return
        if at_ns - sweep.run.last_ns >= self.told.replenish_ns:
            late = at_ns - sweep.run.last_ns > 2 * self.told.replenish_ns
            now = asks if sweep.run.side > 0 else bids
            self.sweep = Sweep(sweep.run, 0.0 if late else sweep.resting, None if late else now / sweep.resting)

    def lose(self) -> None:
        """Start anew where trades are missing; what sizes are usual stays known."""
        self.run, self.paid, self.print_ns, self.sweep, self.large = None, [], -1, None, None
        self.buckets = Buckets(self.told.buckets)
        self.toxicity = Toxicity(self.told.vpin_learn_ns, self.told.vpin_learn_buckets, self.told.vpin_buckets)
        self.footprint = Footprint(self.told.footprint_rows)

    def marks(self, as_of_ns: int) -> list[Mark]:
        """Return the zones that stand."""
        return self.zones.standing(as_of_ns)

    def _pay(self, at_ns: int, spread: float, size: float) -> None:
        second = at_ns - at_ns % SECOND_NS
        paid = self.paid
        if paid and paid[-1][0] >= second:
            _, sum_paid, sum_size = paid[-1]
            paid[-1] = (paid[-1][0], sum_paid + spread * size, sum_size + size)
            return
        paid.append((second, spread * size, size))
        if len(paid) > self.told.buckets:
            del paid[0]

    def _judge(self, run: Run) -> None:
        told = self.told
        if run.last_ns - self.judged_ns >= told.sizes_every_ns:
            self.judged_ns = run.last_ns
            count = self.sizes.count
            self.sweep_size = self.sizes.at(told.sweep_share) if count >= told.least_sizes else None
            self.large_size = self.sizes.at(told.large_share) if count >= told.least_large else None
        if run.levels >= told.sweep_levels and self.sweep_size is not None and run.size >= self.sweep_size:
            self.sweep = Sweep(run, self.resting)
            self.sweeps.add(run.last_ns)
        if self.large_size is not None and run.size >= self.large_size:
            self.large = run
            self.larges.add(run.last_ns)
        self.sizes.add(run.size, run.last_ns)

    def _second(self, at_ns: int, price: float) -> None:
        rows = self.buckets.rows
        if len(rows) > 1 and price != rows[-2].close:
            self.step(abs(price - rows[-2].close))
        if at_ns >= self.print_ns:
            if self.print_ns >= 0:
                self._print(self.print_ns)
            self.print_ns = at_ns - at_ns % self.told.footprint_ns + self.told.footprint_ns
            self.footprint = Footprint(self.told.footprint_rows)
        self.zones.cross(price)

    def _print(self, end_ns: int) -> None:
        told, done = self.told, self.footprint
        rows, tick = len(done.bought) + len(done.sold), self.tick
        if tick is None or not rows:
            return
        total = sum(done.bought.values()) + sum(done.sold.values())
        for stack in done.stacks(told.stack_ratio, told.stack_least * total / rows, told.stack_rows):
            prices = (float(f"{stack.low * tick:.12g}"), float(f"{stack.high * tick:.12g}"))
            times = (end_ns - told.footprint_ns, end_ns)
            self.zones.add("stacked_imbalance", prices, stack.side, stack.volume / total, times)
