"""The best levels and what takers take there in, absorption and hints of icebergs out."""

from msgspec import Struct
from msgspec.structs import replace

from services.signals.engine.book import Levels
from services.signals.engine.flow.quantile import Quantile
from services.signals.engine.flow.recent import Recent
from services.signals.engine.flow.refills import Queue
from services.signals.engine.flow.zones import Zones
from services.signals.engine.parameters.order_flow import OrderFlowParameters


class Window(Struct):
    """One stretch of time, and the touch at its beginning."""

    open_ns: int
    mid: float
    bid: float
    """Base units at the best bid when it began."""
    ask: float
    bought: float = 0.0
    sold: float = 0.0


class Absorbed(Struct, frozen=True):
    """Takers pushed, and the price stayed."""

    side: int
    """The passive side: +1 bids took what was sold."""
    at_ns: int
    price: float
    volume: float
    """Base units."""
    moved: float
    """|dM|, units of price."""
    refilled: float


class Touch(Struct):
    """Both best queues, and the window that is open."""

    told: OrderFlowParameters
    volumes: Quantile
    absorptions: Recent
    icebergs: Recent
    zones: Zones
    bid: Queue | None = None
    ask: Queue | None = None
    window: Window | None = None
    absorbed: Absorbed | None = None
    iceberg: Queue | None = None
    """As it was when it was told."""
    iceberg_side: int = 0

    @classmethod
    def new(cls, told: OrderFlowParameters) -> "Touch":
        """Return a touch of which nothing is known."""
        return cls(
            told=told,
            volumes=Quantile(told.sizes_ns),
            absorptions=Recent(told.events_kept),
            icebergs=Recent(told.events_kept),
            zones=Zones(told.marks, told.mark_ns),
        )

    def take(self, at_ns: int, price: float, size: float, side: int) -> None:
        """Take a taker's trade."""
        if self.window is not None:
            if side > 0:
                self.window.bought += size
            else:
                self.window.sold += size
        queue = self.ask if side > 0 else self.bid
        if queue is not None and queue.price == price:
            queue.take(size)
            if not queue.told and queue.hides(self.told.iceberg_factor, self.told.iceberg_refills):
                queue.told = True
                self.iceberg, self.iceberg_side = replace(queue), -side
                self.icebergs.add(at_ns)
                strength = 1 - queue.most / queue.taken
                self.zones.add("iceberg_hint", (price, price), -side, strength, (queue.since_ns, at_ns))

    def show(self, at_ns: int, bid: tuple[float, float], ask: tuple[float, float]) -> None:
        """Take the best levels as they are now."""
        self.bid = _shown(self.bid, bid, at_ns)
        self.ask = _shown(self.ask, ask, at_ns)
        if self.window is None:
            begin = at_ns - at_ns % self.told.absorb_ns
            self.window = Window(begin, (bid[0] + ask[0]) / 2, bid[1], ask[1])

    def pass_time(self, at_ns: int, bids: Levels, asks: Levels, tick: float | None) -> None:
        """End the open window when its time is over; the levels are those before the event at `at_ns`."""
        window, told = self.window, self.told
        if window is None or at_ns < window.open_ns + told.absorb_ns:
            return
        if bids and asks:
            self.zones.cross((bids[0][0] + asks[0][0]) / 2)
        if tick is not None and bids and asks and at_ns < window.open_ns + 2 * told.absorb_ns:
            self._judge(window, bids[0], asks[0], tick)
        self.window = None

    def lose(self) -> None:
        """Forget the queues: what happened to them is unknown."""
        self.bid = self.ask = self.window = None

    def _judge(self, window: Window, bid: tuple[float, float], ask: tuple[float, float], tick: float) -> None:
        told = self.told
        volume, other = max(window.bought, window.sold), min(window.bought, window.sold)
        usual = self.volumes.at(told.absorb_share) if self.volumes.count >= told.least_windows else None
        at_ns = window.open_ns + told.absorb_ns
        if volume > 0:
            self.volumes.add(volume, at_ns)
        side = 1 if window.sold > window.bought else -1
        passive, before = (bid, window.bid) if side > 0 else (ask, window.ask)
        moved, refilled = abs((bid[0] + ask[0]) / 2 - window.mid), passive[1] / before
        one_sided = volume - other >= told.absorb_one_sided * (volume + other)
        stayed = moved <= told.absorb_ticks * tick * (1 + 1e-6) and refilled >= told.absorb_refilled
        if usual is None or volume < usual or not one_sided or not stayed:
            return
        self.absorbed = Absorbed(side, at_ns, passive[0], volume, moved, refilled)
        self.absorptions.add(at_ns)
        strength = (volume - other) / (volume + other)
        self.zones.add("absorption", (passive[0], passive[0]), side, strength, (window.open_ns, at_ns))


def _shown(queue: Queue | None, level: tuple[float, float], at_ns: int) -> Queue:
    price, size = level
    if queue is None or queue.price != price:
        return Queue(price, size, size, at_ns)
    if size != queue.shown:
        queue.show(size)
    return queue
