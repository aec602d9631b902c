"""Trades of one UTC day in, volume by price bin and aggressor out, and what days before left untouched."""

from msgspec import Struct, field

from libs.common.events import DAY_NS, Side, Trade
from services.signals.engine.liquidity.grid import Grid
from services.signals.engine.liquidity.nodes import Node, high_nodes, low_nodes, smoothed
from services.signals.engine.liquidity.value_area import point_of_control, value_area
from services.signals.engine.parameters.liquidity import LiquidityParameters


class Row(Struct, array_like=True):
    """One bin, base units by taker side."""

    bought: float = 0.0
    sold: float = 0.0


class Shape(Struct, frozen=True):
    """What the rows look like at one moment. Bins are absolute; nodes' bins too."""

    as_of_ns: int
    control: int
    low: int
    high: int
    held: float
    """Volume of the value area, base units."""
    peaks: list[Node]
    valleys: list[Node]


class Control(Struct, frozen=True, array_like=True):
    """The point of control of a whole day that no trade has come back to."""

    bin: int
    session_ns: int


class Profile(Struct):
    """The rows of one day. Bounded: at most `most_rows`; what would need more is counted in `outside`."""

    session_ns: int
    whole: bool = False
    """Whether the day was heard from its first moment, without a hole."""
    first_ns: int = -1
    """First trade heard of it."""
    rows: dict[int, Row] = field(default_factory=dict)
    bought: float = 0.0
    sold: float = 0.0
    notional: float = 0.0
    outside: float = 0.0
    late: int = 0
    """Trades of an earlier day, which is over: they are not added."""

    @property
    def volume(self) -> float:
        """Base units in the rows."""
        return self.bought + self.sold

    def add(self, number: int, trade: Trade, most_rows: int) -> None:
        """Take one trade of this day, of bin `number`."""
        size = trade.size
        row = self.rows.get(number)
        if row is None:
            if len(self.rows) >= most_rows:
                self.outside += size
                return
            row = self.rows[number] = Row()
        if trade.side is Side.BUY:
            row.bought += size
            self.bought += size
        else:
            row.sold += size
            self.sold += size
        self.notional += trade.price * size

    def volumes(self) -> tuple[int, list[float]]:
        """Return the lowest bin, and the volume of every bin from there to the highest, empty ones included."""
        first, last = min(self.rows), max(self.rows)
        dense = [0.0] * (last - first + 1)
        for number, row in self.rows.items():
            dense[number - first] = row.bought + row.sold
        return first, dense

    def shape(self, at_ns: int, grid: Grid, told: LiquidityParameters) -> Shape | None:
        """Return the point of control, the value area and the nodes; None while nothing was traded.

        A day whose trades lie further apart than `most_rows` bins (a broken price among them) has no shape either.
        """
        if not self.rows or max(self.rows) - min(self.rows) > told.most_rows:
            return None
        first, dense = self.volumes()
        fair = self.notional / self.volume / grid.width - first - 0.5
        control = point_of_control(dense, fair)
        low, high, held = value_area(dense, control, told.value_area_share)
        rows = smoothed(dense)
        return Shape(
            at_ns,
            first + control,
            first + low,
            first + high,
            held,
            [_moved(node, first) for node in high_nodes(rows, told.node_prominence)],
            [_moved(node, first) for node in low_nodes(rows, told.node_prominence)],
        )


class Controls(Struct):
    """Naked points of control: of whole days before, until a trade reaches their bin. Oldest first."""

    kept: list[Control] = field(default_factory=list)
    below: int | None = None
    above: int | None = None

    def add(self, control: Control, here: int, most: int) -> None:
        """Remember that of a day that ended with the price in bin `here`; at most the newest `most`."""
        if control.bin != here:
            self.kept.append(control)
            del self.kept[:-most]
        self._fence(here)

    def touch(self, number: int) -> bool:
        """Take the bin of a trade: what it reached, or jumped over, is not naked any more; tell whether any was."""
        if self.below is not None and number <= self.below:
            low, high = number, self.below
        elif self.above is not None and number >= self.above:
            low, high = self.above, number
        else:
            return False
        self.kept = [control for control in self.kept if not low <= control.bin <= high]
        self._fence(number)
        return True

    def _fence(self, here: int) -> None:
        self.below = max((control.bin for control in self.kept if control.bin < here), default=None)
        self.above = min((control.bin for control in self.kept if control.bin > here), default=None)


def session_of(event_ns: int) -> int:
    """Return the first moment of the UTC day."""
    return event_ns - event_ns % DAY_NS


def _moved(node: Node, by: int) -> Node:
    return Node(node.low + by, node.high + by, node.prominence)
