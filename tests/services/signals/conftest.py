"""Market events with defaults, and whole invented markets, for the engine's tests."""

import random
from types import SimpleNamespace

import pytest

from libs.common.events import (
    SECOND_NS,
    BookDelta,
    BookSnapshot,
    Candle,
    Gap,
    Origin,
    Side,
    Source,
    Timeframe,
    Trade,
)

START = 1_700_006_400 * SECOND_NS  # 2023-11-15 00:00:00 UTC


def _head(at_s, origin=Origin.LIVE):
    at_ns = START + round(at_s * SECOND_NS)
    return {"venue": "v", "symbol": "S-USDT", "event_ns": at_ns, "received_ns": at_ns + 7, "origin": origin}


def trade(at_s, price=100.0, size=1.0, side=Side.BUY, trade_id="", origin=Origin.LIVE):
    return Trade(**_head(at_s, origin), price=price, size=size, side=side, trade_id=trade_id or f"t{at_s}")


def snapshot(at_s, bids, asks, sequence):
    return BookSnapshot(**_head(at_s), bids=tuple(bids), asks=tuple(asks), sequence=sequence)


def delta(at_s, bids, asks, first, last=None):
    return BookDelta(
        **_head(at_s),
        bids=tuple(bids),
        asks=tuple(asks),
        first_sequence=first,
        last_sequence=first if last is None else last,
    )


def gap(from_s, to_s, stream="trades", recovered=False):
    at = START + round(to_s * SECOND_NS)
    from_ns = START + round(from_s * SECOND_NS)
    head = _head(to_s)
    return Gap(**head, stream=stream, from_ns=from_ns, to_ns=at, cause="disconnect", recovered=recovered)


def rest(open_s, close, timeframe=Timeframe.M1, *, width=0.5, closed=True, source=Source.REST):
    return Candle(
        **_head(open_s + 60),
        timeframe=timeframe,
        open_ns=START + round(open_s * SECOND_NS),
        open=close,
        high=close + width,
        low=close - width,
        close=close,
        volume=1.0,
        closed=closed,
        source=source,
    )


def market(seed, minutes, *, drift=0.0, start_s=-5.0, sigma=2e-4):
    """Return a tape and a book of `minutes` minutes, in order of event time."""
    chance = random.Random(seed)
    at, price, sequence, events = start_s, 100.0, 1, []
    events.append(
        snapshot(
            at,
            [(round(100 - n / 100, 2), 1.0 + n % 3) for n in range(1, 30)],
            [(round(100 + n / 100, 2), 1.0 + n % 4) for n in range(1, 30)],
            sequence,
        )
    )
    while at < minutes * 60:
        at += chance.expovariate(2.0)
        price *= 1 + chance.gauss(drift, sigma)
        if chance.random() < 0.5:
            side = Side.BUY if chance.random() < 0.5 + 500 * drift else Side.SELL
            events.append(trade(at, round(price, 4), round(chance.uniform(0.01, 2), 4), side, f"{seed}-{len(events)}"))
        else:
            levels: tuple[list[tuple[float, float]], ...] = ([], [])
            for n, sign in enumerate((-1, 1)):
                for _ in range(chance.randrange(3)):
                    size = 0.0 if chance.random() < 0.3 else round(chance.uniform(0.1, 5), 3)
                    levels[n].append((round(100 + sign * chance.randrange(1, 20) / 100, 2), size))
            sequence += 1
            events.append(delta(at, levels[0], levels[1], sequence))
    return events


@pytest.fixture(scope="session")
def make():
    """Builders: trade, snapshot, delta, gap, rest, market; times in seconds after START."""
    return SimpleNamespace(START=START, trade=trade, snapshot=snapshot, delta=delta, gap=gap, rest=rest, market=market)
