"""One depth of one Bybit book: the whole book's changes in, the deltas of its best levels and their count out."""

from typing import Any

from deploy.local.sandbox import bybit_rows as rows
from deploy.local.sandbox.shown import Shown


class Depth:
    """What listeners of `orderbook.<levels>` have seen so far; `update` grows by one with each push."""

    def __init__(self, market: Shown, levels: int) -> None:
        self.update = market.book.sequence
        self._market = market
        self._levels = levels
        self._changes = market.book.watch()
        self._shown = self._view()

    def snapshot(self) -> dict[str, Any]:
        """Return the levels as pushed last."""
        book = self._market.book
        bids, asks = self._shown
        pairs = (("b", sorted(bids, reverse=True), book.bids), ("a", sorted(asks), book.asks))
        return self._data({key: [(price, side.sizes.get(price, 0)) for price in prices] for key, prices, side in pairs})

    def delta(self) -> dict[str, Any] | None:
        """Return what changed among the best levels since the last push; None where nothing did."""
        changes = self._changes
        if not changes.first:
            return None
        view, book = self._view(), self._market.book
        moved: dict[str, list[tuple[int, int]]] = {}
        sides = (("b", changes.bids, book.bids), ("a", changes.asks, book.asks))
        for (key, changed, side), now, before in zip(sides, view, self._shown, strict=True):
            gone, here = before - now, (changed & now) | (now - before)
            moved[key] = [(price, 0) for price in sorted(gone)] + [(price, side.sizes[price]) for price in sorted(here)]
        self._shown = view
        changes.clear(book.sequence)
        if not moved["b"] and not moved["a"]:
            return None
        self.update += 1
        return self._data(moved)

    def end(self) -> None:
        """Watch no longer."""
        self._market.book.unwatch(self._changes)

    def _view(self) -> tuple[set[int], set[int]]:
        book = self._market.book
        return set(book.bids.prices[-self._levels :]), set(book.asks.prices[: self._levels])

    def _data(self, sides: dict[str, list[tuple[int, int]]]) -> dict[str, Any]:
        row = self._market.listing
        texts = {key: [rows.level(row, price, lots) for price, lots in levels] for key, levels in sides.items()}
        return {"s": rows.name_of(row), **texts, "u": self.update, "seq": self._market.book.sequence}
