"""Made-up markets for proofs that need no truth, only variety: every kind of event the engine folds, SIMULATED."""

import random
from collections.abc import Iterator
from math import sin
from typing import Any, Final

from libs.common.events import (
    MINUTE_NS,
    SECOND_NS,
    BookDelta,
    BookSnapshot,
    Candle,
    FundingRate,
    Gap,
    Liquidation,
    MarketEvent,
    MarkPrice,
    OpenInterest,
    Origin,
    PositionSide,
    Side,
    Source,
    Timeframe,
    Trade,
)

START_NS: Final = 1_700_000_040 * SECOND_NS // MINUTE_NS * MINUTE_NS
_LEVELS: Final = 20
_HISTORY_BARS: Final = 120


class Invented:
    """One market; equal arguments give equal events."""

    def __init__(self, venue: str, symbol: str, seed: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311  # a market, repeatable
        self._common: dict[str, Any] = {"venue": venue, "symbol": symbol, "origin": Origin.SIMULATED}
        self._price = 100.0 * (seed + 1)
        self._sequence = 0
        self._trades = 0
        self._interest = 1_000.0

    def events(self, minutes: int) -> list[MarketEvent]:
        """Return history, then a tape with two trades a second, a changed book a second, and what is rarer.

        In order of `received_ns`, which no two events of one market share.
        """
        found = list(self._history())
        for tick in range(minutes * 120):
            found += self._tick(tick, START_NS + tick * SECOND_NS // 2 + self._chance.randrange(SECOND_NS // 3))
        return found

    def _history(self) -> Iterator[MarketEvent]:
        for back in range(_HISTORY_BARS, 0, -1):
            close = self._price * (1 + self._chance.gauss(0, 0.0008))
            yield Candle(
                **self._common,
                event_ns=START_NS,
                received_ns=START_NS - back,
                timeframe=Timeframe.M1,
                open_ns=START_NS - back * MINUTE_NS,
                open=self._price,
                high=max(self._price, close) * 1.0004,
                low=min(self._price, close) * 0.9996,
                close=close,
                volume=5.0,
                source=Source.REST,
            )
            self._price = close

    def _tick(self, tick: int, at_ns: int) -> Iterator[MarketEvent]:
        chance = self._chance
        wave = sin(tick / 400)
        self._price *= 1 + chance.gauss(0.00002 * wave, 0.0002)
        self._trades += 1
        yield Trade(
            **self._at(at_ns, 1_000),
            price=round(self._price, 4),
            size=round(chance.expovariate(1.0) + 0.001, 3),
            side=Side.BUY if chance.random() < 0.5 + 0.3 * wave else Side.SELL,
            trade_id=str(self._trades),
        )
        if tick % 2 == 0:
            yield from self._book(tick, at_ns)
        if tick % 10 == 0:
            yield MarkPrice(**self._at(at_ns, 1_003), price=self._price, index_price=self._price * 0.9999)
        if tick % 120 == 0:
            self._interest *= 1 + chance.gauss(0, 0.004)
            yield OpenInterest(**self._at(at_ns, 1_004), base=self._interest, notional=self._interest * self._price)
            yield FundingRate(**self._at(at_ns, 1_005), rate=0.0001 * wave, interval_s=28_800)
        if chance.random() < 0.02:
            lost = PositionSide.LONG if wave < 0 else PositionSide.SHORT
            size = chance.expovariate(0.2)
            yield Liquidation(**self._at(at_ns, 1_006), price=self._price, size=size, liquidated=lost)
        if tick % 1_500 == 1_400:
            yield Gap(
                **self._at(at_ns, 1_007),
                stream="trades",
                from_ns=at_ns - SECOND_NS,
                to_ns=at_ns,
                cause="disconnect",
                recovered=tick % 3_000 == 1_400,
            )

    def _book(self, tick: int, at_ns: int) -> Iterator[MarketEvent]:
        chance, step = self._chance, self._price * 0.0001
        if tick % 20 == 0 or not self._sequence:
            self._sequence += 1
            sizes = [chance.expovariate(0.5) + 0.01 for _ in range(2 * _LEVELS)]
            self._bids = {self._price - step * (n + 1): sizes[n] for n in range(_LEVELS)}
            self._asks = {self._price + step * (n + 1): sizes[_LEVELS + n] for n in range(_LEVELS)}
            yield BookSnapshot(
                **self._at(at_ns, 1_001),
                sequence=self._sequence,
                bids=tuple(self._bids.items()),
                asks=tuple(self._asks.items()),
            )
            return
        bids, asks = (
            [(price, chance.expovariate(0.5) + 0.01)] for price in (self._any(self._bids), self._any(self._asks))
        )
        self._sequence += 1
        yield BookDelta(
            **self._at(at_ns, 1_002),
            bids=tuple(bids),
            asks=tuple(asks),
            first_sequence=self._sequence,
            last_sequence=self._sequence,
        )

    def _any(self, side: dict[float, float]) -> float:
        return self._chance.choice(list(side))

    def _at(self, at_ns: int, later_ns: int) -> dict[str, Any]:
        return {**self._common, "event_ns": at_ns, "received_ns": at_ns + later_ns}
