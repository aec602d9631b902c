"""One simulated market: the asset's fair value in, slice by slice, a book that is never crossed and its trades out."""

import math
from typing import Final

from deploy.local.sandbox.book import Book
from deploy.local.sandbox.candles import Candles
from deploy.local.sandbox.latent import SLICE_NS, Phase, chance
from deploy.local.sandbox.listings import Listing
from deploy.local.sandbox.shown import Shown
from deploy.local.sandbox.tape import Fill, Liquidated, Print, Tape

_SLICE_S: Final = SLICE_NS / 1e9
_SLICE_MS: Final = SLICE_NS // 1_000_000
_LEVELS: Final = (220, 300)
"""Each side is kept between these, below the 400 that OKX and the 1000 that Binance show: a reader sees all of it."""
_DECAY: Final = math.exp(-_SLICE_S / 2.0)
"""Excitement left by an order halves in about 1.4 s."""
_BUSY: Final = {Phase.UP: 1.2, Phase.DOWN: 1.2, Phase.RANGE: 0.8, Phase.VOLATILE: 2.5}
_LEAN: Final = {Phase.UP: 0.15, Phase.DOWN: -0.15, Phase.RANGE: 0.0, Phase.VOLATILE: 0.0}
"""How much likelier than a coin takers buy."""
_FORCED_PER_S: Final = {Phase.UP: 0.01, Phase.DOWN: 0.01, Phase.RANGE: 0.0, Phase.VOLATILE: 0.15}
FUNDING_MS: Final = 8 * 3_600_000


class Market(Shown):
    """One market, a function of (seed, start, number of slices); it never looks at a clock."""

    def __init__(self, listing: Listing, seed: int, start_ms: int, rate: float = 1.0, *, past: bool = True) -> None:
        """Begin at `start_ms`, a full minute; without a `past` there are no candles before, and it may be any time."""
        self.listing = listing
        self._chance = chance(seed, listing.venue, listing.symbol)
        self._rate = rate
        self._pick_off = 0.12 * min(1.0, listing.orders_per_s / 2) * rate
        """How likely a taker is to lift stale quotes before their makers withdraw them, a slice."""
        self._changes = listing.changes_per_s * _SLICE_S * rate
        self._requote = min(0.5, listing.changes_per_s / 400)
        """How likely a maker is to come back to a free price at the touch, a slice."""
        self.ms = start_ms
        """The market's time: the end of the last slice."""
        self._basis = 0.0
        self.fair = listing.price / listing.tick
        """Fair value, ticks."""
        self.index = self.mark = self.fair
        self._slow = self.fair
        self._heat = 0.0
        self.book = Book(sequence=5_000_000_000 + self._chance.randrange(10**9))
        self.tape = Tape()
        self.candles = Candles()
        if past:
            self.candles.invent(chance(seed, "history", listing.base), start_ms, round(self.fair), self._minute_lots())
        else:
            self.listed_ms = start_ms
        self.liquidations: list[Liquidated] = []
        self._next_fill = 1_000_000_001 + self._chance.randrange(10**8)
        self._next_print = 500_000_001 + self._chance.randrange(10**8)
        self._fill_up()

    def step(self, price: float, phase: Phase, *, quiet: bool = False) -> tuple[list[Print], list[Liquidated]]:
        """Live through one slice at the asset's `price`; returns what happened. A quiet slice only lets time pass."""
        prints: list[Print] = []
        forced: list[Liquidated] = []
        if not quiet:
            self._move(price)
            prints += self._chase()
            prints += self._orders(phase)
            liquidation = self._force(phase, prints)
            if liquidation:
                forced.append(liquidation)
            self._quote()
            self._churn()
        for one in prints:
            self.tape.add(one)
            for fill in one.fills:
                self.candles.add(fill)
        self.liquidations += forced
        self.ms += _SLICE_MS
        self.candles.pass_to(self.ms)
        return prints, forced

    @property
    def funding_rate(self) -> float:
        """The current interval's rate: a base rate plus the premium of mark over index."""
        return round(max(-0.00375, min(0.00375, 0.0001 + 0.2 * (self.mark / self.index - 1))), 8)

    @property
    def open_lots(self) -> int:
        """Open interest, lots."""
        return int(self._minute_lots() * 2000 * (1 + 0.2 * math.sin(self.ms / 3_600_000)))

    def _minute_lots(self) -> float:
        return self.listing.orders_per_s * 60 * self.listing.median_lots * 3 * self._rate

    def _move(self, price: float) -> None:
        self.index = price / self.listing.tick
        self._basis += -self._basis * 0.002 + self._chance.gauss(0.0, 2e-6)
        self.fair = self.index * (1 + self._basis)
        self.mark += (self.fair - self.mark) * 0.02
        self._slow += (self.fair - self._slow) * 0.002

    def _chase(self) -> list[Print]:
        """Clear quotes that the fair value has passed: a taker lifts some of them, their makers withdraw the rest."""
        fair, prints = int(self.fair), []
        for buy in (True, False):
            best, side = (self.book.best_ask, self.book.asks) if buy else (self.book.best_bid, self.book.bids)
            if best is None or ((best > fair) if buy else (best <= fair)):
                continue
            if self._chance.random() < self._pick_off:
                prints += self._take(buy, self._size() * 2, fair if buy else fair + 1, levels=2)
            stale = [price for price in side.prices if (price <= fair if buy else price > fair)]
            for price in stale:
                self.book.put(not buy, price, 0)
        return prints

    def _orders(self, phase: Phase) -> list[Print]:
        self._heat *= _DECAY
        expected = (self.listing.orders_per_s * _BUSY[phase] * 0.6 + self._heat) * self._rate * _SLICE_S
        prints: list[Print] = []
        for _ in range(self._poisson(expected)):
            buy = self._chance.random() < 0.5 + _LEAN[phase] + (0.1 if self.fair > self._slow else -0.1)
            best = self.book.best_ask if buy else self.book.best_bid
            if best is None:
                continue
            reach = max(2, int(self.fair * 5e-5))
            prints += self._take(buy, self._size(), best + reach if buy else best - reach, levels=5)
            self._heat = min(self._heat + 0.2, 5 * self.listing.orders_per_s)  # each order brings 0.4 more
        return prints

    def _force(self, phase: Phase, prints: list[Print]) -> Liquidated | None:
        if not self.listing.swap or self._chance.random() >= _FORCED_PER_S[phase] * _SLICE_S * self._rate:
            return None
        buy = self.fair > self._slow
        best = self.book.best_ask if buy else self.book.best_bid
        if best is None:
            return None
        limit = round(best * (1.004 if buy else 0.996))
        done = self._take(buy, self._size() * 8, limit, levels=12)
        lots = sum(one.lots for one in done)
        if not lots:
            return None
        prints += done
        average = sum(fill.price * fill.lots for one in done for fill in one.fills) / lots
        return Liquidated(len(self.liquidations) + 1, buy, limit, average, lots, done[-1].fills[-1].ms)

    def _take(self, buy: bool, lots: int, limit: int, levels: int) -> list[Print]:
        ms = self.ms + _SLICE_MS // 2
        prints = []
        for price, taken in self.book.take(buy, lots, limit, levels):
            makers = min(taken, 1 + int(self._chance.expovariate(1.5)))
            parts = [taken // makers] * (makers - 1)
            parts.append(taken - sum(parts))
            fills = tuple(
                Fill(self._next_fill + at, self._next_print, price, part, buy, ms) for at, part in enumerate(parts)
            )
            prints.append(Print(self._next_print, fills))
            self._next_fill += makers
            self._next_print += 1
        return prints

    def _quote(self) -> None:
        """Put levels at the touch again; bids stay at or below the fair value, asks above it."""
        fair = int(self.fair)
        for near in range(3):
            for bid in (True, False):
                price = fair - near if bid else fair + 1 + near
                known = (self.book.bids if bid else self.book.asks).sizes
                if price not in known and self._chance.random() < self._requote:
                    self.book.put(bid, price, self._level_size(near))
        self._fill_up()

    def _churn(self) -> None:
        fair = int(self.fair)
        reach = max(20, fair * 2e-4)
        for _ in range(self._poisson(self._changes)):
            bid = self._chance.random() < 0.5
            away = int(self._chance.expovariate(1.0) * reach * (0.1 if self._chance.random() < 0.6 else 1.0))
            price = fair - away if bid else fair + 1 + away
            side = self.book.bids if bid else self.book.asks
            remove = price in side.sizes and self._chance.random() < 0.4
            self.book.put(bid, price, 0 if remove else self._level_size(away))

    def _fill_up(self) -> None:
        low, high = _LEVELS
        fair = int(self.fair)
        gap = max(1.0, fair * 2e-5)
        for bid in (True, False):
            side = self.book.bids if bid else self.book.asks
            while len(side.prices) > high:
                self.book.put(bid, side.prices[0 if bid else -1], 0)
            worst = fair + (not bid)
            if side.prices:
                worst = side.prices[0] if bid else side.prices[-1]
            while len(side.prices) < low:
                step = 1 + int(self._chance.expovariate(1.0) * gap)
                worst = max(1, worst - step) if bid else worst + step
                self.book.put(bid, worst, self._level_size(abs(worst - fair)))
                if worst == 1:
                    break

    def _size(self) -> int:
        return min(
            int(self.listing.median_lots * 0.6 * self._chance.paretovariate(1.3)) + 1, self.listing.median_lots * 500
        )

    def _level_size(self, away: int) -> int:
        depth = 1.0 + min(6.0, away / max(10.0, self.fair * 1e-4))
        return 1 + int(self.listing.median_lots * 2 * depth * self._chance.lognormvariate(0.0, 0.8))

    def _poisson(self, expected: float) -> int:
        limit, product, count = math.exp(-min(expected, 50.0)), self._chance.random(), 0
        while product > limit:
            product *= self._chance.random()
            count += 1
        return count
