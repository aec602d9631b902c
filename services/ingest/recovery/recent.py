"""Live trades and pages of the newest trades in, the venue's tape out, where ids have no order. Pure."""

from collections.abc import Sequence
from typing import Final

from libs.common.events import Trade
from services.ingest.recovery.tape import HELD, Hole, Position

REMEMBERED: Final = 8_192
"""Ids that are known when they come again: more than any page, and than two connections side by side differ by."""


class RecentTape:
    """One symbol's trades, with the face of a `Tape`.

    Nothing in an id says that the next one is missing: only an interruption of the connection raises the suspicion
    of a hole. Then live trades are held until a page of the venue's newest trades holds both the last trade
    published and one of those held, or until somebody gives up (`release`).

    Where each connection begins with trades from before it (`replayed`), a known one among them ends the suspicion:
    the connection has told of everything since. What was held by then leaves in the order in which it is told again.
    """

    def __init__(self, *, limit: int = HELD, remembered: int = REMEMBERED, replayed: bool = False) -> None:
        self.last: Position | None = None
        self.duplicates = 0
        """Trades that came again."""
        self._limit = limit
        self._remembered = remembered
        self._replayed = replayed
        self._resumed_ns = 0
        self._known: dict[str, None] = {}
        self._held: dict[str, tuple[int, Trade]] = {}
        self._stretch = 0
        self._suspect = False

    @property
    def hole(self) -> Hole | None:
        """What is missing now; ids cannot say how much it is."""
        if not self._held or self.last is None:
            return None
        _, first = next(iter(self._held.values()))
        until = Position(order=self.last.order + 1, trade_id=first.trade_id, event_ns=first.event_ns)
        return Hole(after=self.last, until=until, numbered=False)

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
        self.last = Position(order=0, trade_id=trade_id, event_ns=event_ns)
        self._resumed_ns = event_ns
        self._remember(trade_id)
        self.interrupted()

    def rewind(self, trade_id: str, event_ns: int) -> None:
        """Continue again behind a trade that passed: those after it came to nothing, and are not known."""
        known = list(self._known)
        for later in known[known.index(trade_id) + 1 :] if trade_id in self._known else known:
            del self._known[later]
        self.resume(trade_id, event_ns)

    def interrupted(self) -> None:
        """Note that the connection was lost: the next trade may not be the next one."""
        self._suspect = self.last is not None
        self._stretch += 1

    def vouched(self) -> None:
        """Note that the venue itself said that nothing is missing behind the last trade."""
        self._suspect = False

    def offer(self, trade: Trade) -> list[Trade]:
        """Take a live trade; return what may be published now, in order."""
        if trade.trade_id in self._known:
            self.duplicates += 1
            self._suspect = self._suspect and not self._replayed
            return []
        if trade.event_ns < self._resumed_ns or (self._suspect and trade.trade_id in self._held):
            self.duplicates += 1  # the earlier run had it, or told of its hole
            return []
        if self._suspect:
            self._held[trade.trade_id] = self._stretch, trade
            return []
        return self._told_again(trade)

    def merge(self, page: Sequence[Trade]) -> list[Trade]:
        """Take a fetched page, oldest first, of all that followed the last trade; return what may be published.

        What is held of an unbroken stretch of listening follows the page without a hole once they share a trade.
        """
        if self.last is None:
            return []
        shared = [self._held[trade.trade_id][0] for trade in page if trade.trade_id in self._held]
        fresh = [trade for trade in page if trade.trade_id not in self._known]
        out = [self._follow(self._held.pop(one.trade_id, (0, one))[1]) for one in fresh]  # live: when it truly came
        if shared:
            out += self._release(max(shared))
        return out

    def release(self) -> list[Trade]:
        """Give the hole up: return the trades behind it, up to the next hole if there is one."""
        return self._release(min((stretch for stretch, _ in self._held.values()), default=self._stretch))

    def _told_again(self, trade: Trade) -> list[Trade]:
        """Return a trade that follows without a hole, behind those held that happened before it."""
        _, live = self._held.pop(trade.trade_id, (0, trade))
        older = [held for _, held in self._held.values() if held.event_ns < trade.event_ns]
        for held in older:
            del self._held[held.trade_id]
        return [self._follow(one) for one in (*older, live)]

    def _release(self, reached: int) -> list[Trade]:
        """Return what is held of the stretches up to `reached`."""
        ready = [trade for stretch, trade in self._held.values() if stretch <= reached]
        for trade in ready:
            del self._held[trade.trade_id]
        self._suspect = self._stretch > reached
        return [self._follow(trade) for trade in ready]

    def _follow(self, trade: Trade) -> Trade:
        order = self.last.order + 1 if self.last else 0
        self.last = Position(order=order, trade_id=trade.trade_id, event_ns=trade.event_ns)
        self._remember(trade.trade_id)
        return trade

    def _remember(self, trade_id: str) -> None:
        self._known[trade_id] = None
        if len(self._known) > self._remembered:
            del self._known[next(iter(self._known))]
