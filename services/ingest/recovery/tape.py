"""Live trades and fetched pages in, the venue's tape out: each trade once, in the order of its id. Pure."""

from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from libs.common.events import SECOND_NS, Trade

HELD: Final = 20_000
"""Live trades that may wait for the ones before them."""


class Position(Struct, frozen=True, kw_only=True):
    """The last trade of a tape."""

    order: int
    trade_id: str
    event_ns: int


class Hole(Struct, frozen=True, kw_only=True):
    """Trades that are missing between the last one and the first one held."""

    after: Position
    until: Position
    """First trade known behind the hole."""
    numbered: bool = True
    """Whether the ids say which trades are missing."""

    @property
    def missing(self) -> tuple[str | None, str | None]:
        """The first and the last id that is missing, where ids tell."""
        return (str(self.after.order + 1), str(self.until.order - 1)) if self.numbered else (None, None)


class Tape:
    """One symbol's trades; `order` gives the position of an id among the venue's consecutive ids.

    A trade that does not continue the tape is held until what lies before it came, live or fetched (`merge`), or
    until somebody gives up (`release`). Where ids are not `consecutive` (aggregates), only an interruption of the
    connection raises the suspicion of a hole.
    """

    def __init__(self, order: Callable[[str], int], *, consecutive: bool = True, limit: int = HELD) -> None:
        self.last: Position | None = None
        self.duplicates = 0
        """Trades that came again, or too late."""
        self.restarts = 0
        """How often the venue began its ids anew."""
        self._order = order
        self._consecutive = consecutive
        self._limit = limit
        self._held: dict[int, Trade] = {}
        self._suspect = False

    @property
    def hole(self) -> Hole | None:
        """What is missing now."""
        if not self._held or self.last is None:
            return None
        first = min(self._held)
        return Hole(after=self.last, until=_position(first, self._held[first]))

    @property
    def held(self) -> int:
        """Trades that wait."""
        return len(self._held)

    @property
    def full(self) -> bool:
        """No more trades can be held: it is time to give up."""
        return len(self._held) >= self._limit

    def resume(self, trade_id: str, event_ns: int) -> None:
        """Continue behind a trade that an earlier run has published."""
        self.last = Position(order=self._order(trade_id), trade_id=trade_id, event_ns=event_ns)
        self._suspect = True

    def rewind(self, trade_id: str, event_ns: int) -> None:
        """Continue again behind a trade that passed: those after it came to nothing."""
        self.resume(trade_id, event_ns)

    def interrupted(self) -> None:
        """Note that the connection was lost: the next trade may not be the next one."""
        self._suspect = self.last is not None

    def vouched(self) -> None:
        """Note that the venue itself said that nothing is missing behind the last trade."""
        self._suspect = False

    def offer(self, trade: Trade) -> list[Trade]:
        """Take a live trade; return what may be published now, in order."""
        order = self._order(trade.trade_id)
        last = self.last
        if last is None:
            return [self._follow(order, trade)]
        if order <= last.order:
            if trade.event_ns <= last.event_ns + SECOND_NS:
                self.duplicates += 1
                return []
            self.restarts += 1  # a smaller id at a later time: the venue began its ids anew
            return [*self._all_held(), self._follow(order, trade)]
        if order in self._held:
            self.duplicates += 1
            return []
        if order == last.order + 1 or not (self._consecutive or self._suspect or self._held):
            return [self._follow(order, trade), *self._contiguous()]
        self._held[order] = trade
        return []

    def merge(self, page: Sequence[Trade]) -> list[Trade]:
        """Take a fetched page, oldest first, of the trades that follow the last one; return what may be published.

        The page is the venue's own word on everything up to its last trade: ids it leaves out do not exist.
        """
        if not page or self.last is None:
            return []
        found = {self._order(trade.trade_id): trade for trade in page}
        return self._merge_exact(found) if self._consecutive else self._merge_aggregates(found)

    def release(self) -> list[Trade]:
        """Give the hole up: return the trades behind it, up to the next hole if there is one."""
        if not self._consecutive:
            return self._all_held()
        if not self._held:
            return []
        first = min(self._held)
        return [self._follow(first, self._held.pop(first)), *self._contiguous()]

    def _merge_exact(self, found: dict[int, Trade]) -> list[Trade]:
        assert self.last is not None
        end, after = max(found), self.last.order
        for order in [order for order in self._held if order <= end]:
            found[order] = self._held.pop(order)  # the live copy says when it truly arrived
        return [*(self._follow(order, found[order]) for order in sorted(found) if order > after), *self._contiguous()]

    def _merge_aggregates(self, found: dict[int, Trade]) -> list[Trade]:
        """Merge single trades into a tape of aggregates, each named by its last id.

        The single ones replace the aggregate that closes the hole, for we do not know where it begins; from there
        on the aggregates follow each other without a hole.
        """
        assert self.last is not None
        first, after = min(self._held, default=None), self.last.order
        wanted = [order for order in sorted(found) if order > after and (first is None or order <= first)]
        out = [self._follow(order, found[order]) for order in wanted]
        if first is None or max(found) < first:
            return out
        closing = self._held.pop(first)
        if first not in found:
            out.append(self._follow(first, closing))
        return [*out, *self._all_held()]

    def _follow(self, order: int, trade: Trade) -> Trade:
        self.last = _position(order, trade)
        self._suspect = False
        return trade

    def _contiguous(self) -> list[Trade]:
        out: list[Trade] = []
        while self.last is not None and (trade := self._held.pop(self.last.order + 1, None)) is not None:
            out.append(self._follow(self.last.order + 1, trade))
        return out

    def _all_held(self) -> list[Trade]:
        held, self._held = self._held, {}
        return [self._follow(order, held[order]) for order in sorted(held)]


def _position(order: int, trade: Trade) -> Position:
    return Position(order=order, trade_id=trade.trade_id, event_ns=trade.event_ns)
