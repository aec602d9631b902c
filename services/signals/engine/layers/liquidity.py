"""Layer `liquidity`: where does depth rest, where was it traded, and to which side does the price move more easily?"""

from typing import ClassVar, Final

from msgspec import Struct, field

from libs.common.events import (
    DAY_NS,
    SECOND_NS,
    BookDelta,
    BookSnapshot,
    Fact,
    Gap,
    Liquidation,
    MarkPrice,
    OpenInterest,
    Side,
    Trade,
)
from libs.common.events.seen import Seen
from services.signals.engine.book import Book
from services.signals.engine.config import EngineConfig
from services.signals.engine.layers.layer import Context, Opinion, TickLayer, abstain
from services.signals.engine.liquidity import evidence, facts
from services.signals.engine.liquidity.balance import depth_balance, level_balance
from services.signals.engine.liquidity.grid import Grid
from services.signals.engine.liquidity.levels import Level, Zone, merge
from services.signals.engine.liquidity.model import Exposure
from services.signals.engine.liquidity.observed import Observed
from services.signals.engine.liquidity.profile import Control, Controls, Profile, Shape, session_of
from services.signals.engine.liquidity.reach import Edges, resting_curve
from services.signals.engine.liquidity.shelf import Shelf
from services.signals.engine.liquidity.walls import Wall, walls
from services.signals.engine.parameters.liquidity import LiquidityParameters

_BASIS_POINT: Final = 1e-4
_REGRID: Final = 2.0
"""At the first trade of a day whose price is this many times that of the grid, or a part of it, all starts anew."""


class Liquidity(TickLayer, tag="liquidity"):
    """Resting depth, traded volume and observed liquidations by price; liquidations that a MODEL assumes, apart.

    score = gain (0.5 levels + 0.5 depth): levels = (S - R) / (S + R + floor), S and R the strengths of supports and
    resistances; depth = (B - A) / (B + A) of the averaged depth, as far as both sides are known; all fading with the
    distance. A heavier, nearer support below says up: upwards is the lighter side. MODEL has no part in it.
    """

    name: ClassVar[str] = "liquidity"
    hears: ClassVar[frozenset[type[Struct]]] = frozenset(
        {Trade, BookDelta, BookSnapshot, Liquidation, OpenInterest, MarkPrice}
    )

    told: LiquidityParameters
    observed: Observed
    grid: Grid | None = None
    coarse: Grid | None = None
    """The MODEL's."""
    bids: Shelf = field(default_factory=Shelf)
    asks: Shelf = field(default_factory=Shelf)
    edges: Edges = field(default_factory=Edges)
    hit_bids: dict[int, float] = field(default_factory=dict)
    """Base units that takers sold into each bin since the last sample."""
    hit_asks: dict[int, float] = field(default_factory=dict)
    profile: Profile | None = None
    shape: Shape | None = None
    controls: Controls = field(default_factory=Controls)
    exposure: Exposure = field(default_factory=Exposure)
    levels: list[Level] = field(default_factory=list)
    """Those that were traded or liquidated, as of `studied_ns`."""
    assumed: list[evidence.Assumed] = field(default_factory=list)
    studied_ns: int = -1
    price: float | None = None
    """Of the newest trade."""
    trade_ns: int = -1
    mark_ns: int = -1
    session_end_ns: int = -1
    holes: list[int] = field(default_factory=list)
    """Where unrecovered gaps of this session's trades begin."""
    valid: bool = False
    cause: str = "no_book"
    since_ns: int = -1
    last_ns: int = -1
    sampled_ns: int = -1
    whole_ns: int = -1
    """When the far bins were sampled."""
    mid: float = 0.0
    costs_up: list[float | None] = field(default_factory=list)
    costs_down: list[float | None] = field(default_factory=list)
    levels_bid: int = 0
    levels_ask: int = 0
    reach_up: float = 0.0
    """How far above the mid all is known, quote currency."""
    reach_down: float = 0.0

    @classmethod
    def new(cls, config: EngineConfig) -> "Liquidity":
        """Return a layer that has heard nothing."""
        told = config.liquidity
        observed = Observed(told.liquidation_half_life_ns, told.most_liquidation_bins, Seen(told.liquidation_ids))
        return cls(told, observed)

    def on_trade(self, trade: Trade) -> None:
        """Take one trade, once."""
        at_ns, price = trade.event_ns, trade.price
        if at_ns >= self.session_end_ns:
            self._open_session(at_ns, price)
        grid, profile = self.grid, self.profile
        if grid is None or profile is None:
            return
        if at_ns < profile.session_ns:
            profile.late += 1
            return
        number = grid.bin(price)
        profile.add(number, trade, self.told.most_rows)
        if self.valid:
            if trade.side is Side.BUY:
                self.hit_asks[number] = self.hit_asks.get(number, 0.0) + trade.size
            else:
                key = grid.bin(-price)
                self.hit_bids[key] = self.hit_bids.get(key, 0.0) + trade.size
        if at_ns >= self.trade_ns:
            self.price, self.trade_ns = price, at_ns
        if self.coarse is not None and at_ns - self.mark_ns > self.told.stale_ns:
            self._touch(self.coarse, price)
        touched = self.controls.kept and self.controls.touch(number)
        if touched or at_ns - self.studied_ns >= self.told.profile_every_ns:
            self._study(at_ns)

    def on_book(self, book: Book, event: BookSnapshot | BookDelta) -> None:
        """Take the book after `event`; it is looked at once a second of event time."""
        if not book.valid:
            self._lose("out_of_sync")
            return
        bids, asks = book.bids.keys, book.asks.keys
        if not bids or not asks:
            self._lose("one_sided")
            return
        if -bids[0] >= asks[0]:
            self._lose("crossed")
            return
        at_ns = event.event_ns
        self.last_ns = max(self.last_ns, at_ns)
        if isinstance(event, BookSnapshot):
            partial = event.venue in self.told.partial_venues
            self.edges.restart(book, partial_levels=self.told.partial_levels if partial else None)
        if not self.valid:
            self.valid, self.since_ns, self.sampled_ns = True, at_ns, -1
        if self.sampled_ns < 0 or at_ns - self.sampled_ns >= self.told.sample_ns:
            self._sample(book, at_ns)

    def on_context(self, event: Context) -> None:
        """Take a liquidation, the open interest, or the price that positions are margined by."""
        if isinstance(event, Liquidation):
            grid = self._lay(event.price)
            self.observed.add(event, grid.bin(event.price))
        elif isinstance(event, OpenInterest) and self.price is not None:
            if self.coarse is None:
                self.coarse = Grid.around(self.price, self.told.model_bin_bp)
            self.exposure.on_interest(event, self.price, self.coarse, self.told)
        elif isinstance(event, MarkPrice) and event.event_ns >= self.mark_ns:
            self.mark_ns = event.event_ns
            if self.coarse is not None:
                self._touch(self.coarse, event.price)

    def on_gap(self, gap: Gap) -> None:
        """Distrust the book until it is whole again; remember holes of the session's trades."""
        if gap.stream == "books" and not gap.recovered and self.valid:
            self._lose("gap")
        if gap.stream == "trades" and self.profile is not None:
            self.holes = [from_ns for from_ns in self.holes if from_ns != gap.from_ns]
            if not gap.recovered:
                self.holes = [*self.holes[-63:], gap.from_ns]

    def read(self, as_of_ns: int) -> Opinion:
        """Return what lies around the price at `as_of_ns`."""
        said = self._remembered(as_of_ns)
        if not self.valid or self.grid is None:
            return abstain(self.cause, said)
        if as_of_ns - self.last_ns > self.told.stale_ns:
            return abstain("stale", {"silent_s": (as_of_ns - self.last_ns) / SECOND_NS, **said})
        told, grid = self.told, self.grid
        found = walls(self.bids, self.asks, told)
        standing = [evidence.wall_level(wall, grid, self.sampled_ns) for wall in found]
        zones = merge([*standing, *self.levels], self.mid, grid.width)
        depth = depth_balance(self.bids, self.asks, min(self.reach_up, self.reach_down), grid, told)
        levels = level_balance(zones, grid, told)
        near = [zone for zone in zones if zone.strength >= told.least_strength]
        said |= self._book_facts(as_of_ns, found, near, grid)
        said |= {"depth_balance": depth, "level_balance": levels}
        if depth is None and levels is None:
            return abstain("shallow", said)
        score = told.gain * (0.5 * (levels or 0.0) + 0.5 * (depth or 0.0))
        sureness = min(1.0, max(0, as_of_ns - self.since_ns) / told.horizon_ns)
        return Opinion(
            score,
            sureness if depth is not None else sureness / 2,
            said,
            facts.marks(near, self.assumed, told.most_marks),
        )

    def _book_facts(self, as_of_ns: int, found: list[Wall], zones: list[Zone], grid: Grid) -> dict[str, Fact]:
        told = self.told
        return {
            "mid": self.mid,
            "book_age_s": (as_of_ns - self.sampled_ns) / SECOND_NS,
            "book_levels_bid": self.levels_bid,
            "book_levels_ask": self.levels_ask,
            "covered_up_bp": self.reach_up / self.mid / _BASIS_POINT,
            "covered_down_bp": self.reach_down / self.mid / _BASIS_POINT,
            **facts.curve_facts(self.costs_up, self.costs_down, told),
            **facts.wall_facts(found, grid, told),
            **facts.zone_facts(zones, self.mid),
        }

    def _remembered(self, as_of_ns: int) -> dict[str, Fact]:
        said = facts.model_facts(self.exposure, self.assumed, self.coarse, self.told)
        said |= facts.forced_facts(self.observed, as_of_ns)
        if self.profile is not None and self.grid is not None and as_of_ns < self.session_end_ns:
            said |= facts.profile_facts(self.profile, self.shape, self.controls, self.grid, as_of_ns, self.told)
            said["session_complete"] = self.profile.whole and not self.holes
        return said

    def _sample(self, book: Book, at_ns: int) -> None:
        self.mid = (book.asks.keys[0] - book.bids.keys[0]) / 2
        grid, told = self._lay(self.mid), self.told
        self.edges.follow(book)
        whole = self.sampled_ns < 0 or at_ns - self.whole_ns >= told.far_sample_ns
        bins = told.inner_bins + int((told.reach_bp if whole else told.near_bp) / grid.width_bp)
        if whole:
            self.whole_ns = at_ns
        for shelf, side, hits in ((self.bids, book.bids, self.hit_bids), (self.asks, book.asks, self.hit_asks)):
            first = grid.bin(side.sign * self.mid) - told.inner_bins
            count = min(bins, grid.bin(side.keys[-1]) - first + 1)
            shelf.sample(grid.depths(side, first, count), first, at_ns, hits, told, whole=whole)
            hits.clear()
        self.costs_up = resting_curve(book.asks, self.edges.ask, self.mid, told.cost_bp)
        self.costs_down = resting_curve(book.bids, self.edges.bid, self.mid, told.cost_bp)
        self.reach_up, self.reach_down = self.edges.ask - self.mid, self.edges.bid + self.mid
        self.levels_bid, self.levels_ask = len(book.bids.keys), len(book.asks.keys)
        self.sampled_ns = at_ns
        if at_ns - self.studied_ns >= told.profile_every_ns:
            self._study(at_ns)

    def _study(self, at_ns: int) -> None:
        """Look at what was traded, liquidated and assumed; every ten seconds is enough."""
        self.studied_ns = at_ns = max(at_ns, self.studied_ns)
        grid, profile, told = self.grid, self.profile, self.told
        self.levels, self.assumed = [], []
        if grid is None:
            return
        if profile is not None:
            self.shape = profile.shape(at_ns, grid, told)
            if self.shape is not None:
                self.levels += evidence.node_levels(profile, self.shape, grid, told)
            self.levels += evidence.naked_levels(self.controls.kept, profile.session_ns, grid, told)
            self.levels += evidence.forced_levels(self.observed, profile, grid, at_ns, told)
        if self.coarse is not None:
            self.assumed = evidence.assumed_levels(self.exposure, self.coarse)

    def _touch(self, coarse: Grid, price: float) -> None:
        """MODEL: nothing but the assumed levels changes."""
        if self.exposure.touch(coarse.bin(price)):
            self.assumed = evidence.assumed_levels(self.exposure, coarse)

    def _lay(self, price: float) -> Grid:
        if self.grid is None:
            self.grid = Grid.around(price, self.told.bin_bp)
        return self.grid

    def _open_session(self, at_ns: int, price: float) -> None:
        """Begin the UTC day of `at_ns`; a whole day before leaves its point of control behind."""
        before, grid, session_ns = self.profile, self._lay(price), session_of(at_ns)
        if not 1.0 / _REGRID <= price / grid.price <= _REGRID:
            self._forget()
            grid = self._lay(price)
        elif before is not None and before.whole and not self.holes and self.price is not None:
            shape = before.shape(at_ns, grid, self.told)
            if shape is not None:
                control = Control(shape.control, before.session_ns)
                self.controls.add(control, grid.bin(self.price), self.told.sessions_kept)
        self.holes = [from_ns for from_ns in self.holes if from_ns >= self.trade_ns]
        self.profile, self.shape = Profile(session_ns, before is not None, at_ns), None
        self.session_end_ns = session_ns + DAY_NS

    def _forget(self) -> None:
        """Lay new grids: the old bins are far too narrow or wide for the price."""
        self.grid = self.coarse = None
        self.observed = Observed(self.observed.half_life_ns, self.observed.most, self.observed.seen)
        self.controls, self.exposure, self.levels, self.assumed = Controls(), Exposure(), [], []
        if self.valid:
            self._lose("regrid")

    def _lose(self, cause: str) -> None:
        if self.valid:
            self.bids, self.asks, self.sampled_ns = Shelf(), Shelf(), -1
            self.hit_bids, self.hit_asks = {}, {}
        self.valid, self.cause = False, cause
