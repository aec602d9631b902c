"""Everything that happens at once, through the layer: scaled, mirrored, restored, poisoned."""

import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from libs.common.events import (
    SECOND_NS,
    BookDelta,
    BookSnapshot,
    Gap,
    Liquidation,
    MarketEvent,
    PositionSide,
    Side,
    Trade,
)
from services.signals.engine.book import Book
from services.signals.engine.config import EngineConfig
from services.signals.engine.layers.order_flow import OrderFlow
from services.signals.engine.parameters.order_flow import OrderFlowParameters

TOLD = OrderFlowParameters(
    least_sizes=20,
    least_large=40,
    sizes_every_ns=0,
    sweep_share=0.8,
    large_share=0.97,
    least_windows=4,
    absorb_share=0.4,
    iceberg_factor=1.0,
    stack_least=0.2,
    stack_ratio=1.5,
    vpin_learn_ns=5 * SECOND_NS,
    vpin_buckets=6,
    least_buckets=5,
    cluster_least_minutes=2,
    cluster_sigmas=1.0,
    cascade_clusters=2,
    least_moves=20,
    least_visits=3,
    least_components=20,
    marks=1_000,
    most_marks=1_000,
)
CONFIG = EngineConfig(order_flow=TOLD)
MIDDLE = 256.0
OTHER = {Side.BUY: Side.SELL, Side.SELL: Side.BUY}


def levels(book, side):
    return sorted(book.items(), reverse=side > 0)


def scenario(make, seed, length):
    """Return an invented market in steps of half a unit: books, runs, refills, closings, holes."""
    chance = random.Random(seed)
    at, best, sequence, told = 0.0, 512, 1, 0
    bids = {(512 - n) / 2: float(chance.randint(1, 40)) for n in range(6)}
    asks = {(513 + n) / 2: float(chance.randint(1, 40)) for n in range(6)}
    events: list[MarketEvent] = [make.snapshot(at, levels(bids, 1), levels(asks, -1), sequence)]
    while len(events) < length:
        at += chance.choice((0.01, 0.05, 0.2, 0.6))
        kind = chance.random()
        if kind < 0.45:
            best += chance.choice((-1, *(0,) * 16, 1))
            sizes = [float(chance.randint(1, 40)) for _ in range(12)]
            new_bids = {(best - n) / 2: bids.get((best - n) / 2, sizes[n]) for n in range(6)}
            new_asks = {(best + 1 + n) / 2: asks.get((best + 1 + n) / 2, sizes[6 + n]) for n in range(6)}
            for shown in (new_bids, new_asks):
                shown[chance.choice(sorted(shown))] = float(chance.randint(1, 40))
            sequence += 1
            changes = [
                [*((p, 0.0) for p in old if p not in new), *new.items()]
                for old, new in ((bids, new_bids), (asks, new_asks))
            ]
            bids, asks = new_bids, new_asks
            events.append(make.delta(at, changes[0], changes[1], sequence))
        elif kind < 0.94:
            side, size = chance.choice(list(Side)), float(chance.randint(1, 9))
            first = (best + 1 if side is Side.BUY else best) / 2
            for n in range(chance.choice((1, 1, 1, 2, 3, 4))):
                told += 1
                price = first + side.sign * n / 2
                events.append(make.trade(at + n / 1_000, price, size * (1 + n), side, f"{seed}-{told}"))
            at += 0.004
        elif kind < 0.995:
            told += 1
            head = make.trade(at, best / 2, 1.0)
            size = chance.uniform(1, 9) * (1 + at / 30) ** 2
            closed = chance.choice(list(PositionSide))
            events.append(
                Liquidation(
                    venue=head.venue,
                    symbol=head.symbol,
                    event_ns=head.event_ns,
                    received_ns=head.received_ns,
                    price=best / 2,
                    size=size,
                    liquidated=closed,
                )
            )
        else:
            events.append(make.gap(at, at, stream=chance.choice(("trades", "books"))))
            sequence += 1
            events.append(make.snapshot(at, levels(bids, 1), levels(asks, -1), sequence))
    return events


def give(layer, book, event):
    if isinstance(event, Trade):
        layer.on_trade(event)
    elif isinstance(event, Liquidation):
        layer.on_context(event)
    elif isinstance(event, Gap):
        layer.on_gap(event)
    else:
        book.replace(event) if isinstance(event, BookSnapshot) else book.change(event)
        layer.on_book(book, event)


def readings(events, every=25):
    """Return what the layer says after each `every` events, and its bytes at the end."""
    book, layer, said = Book.new(100), OrderFlow.new(CONFIG), []
    for n, event in enumerate(events, start=1):
        give(layer, book, event)
        if n % every == 0:
            said.append(layer.read(event.event_ns))
    return said, msgspec.msgpack.encode(layer)


def priced(event, price):
    """Return the event with every price through `price`."""
    if isinstance(event, Trade | Liquidation):
        return replace(event, price=price(event.price))
    if isinstance(event, BookSnapshot | BookDelta):
        sides = {name: tuple((price(p), q) for p, q in getattr(event, name)) for name in ("bids", "asks")}
        return replace(event, **sides)
    return event


def mirrored(event):
    """Return the event reflected at the middle, its sides swapped."""
    event = priced(event, lambda price: 2 * MIDDLE - price)
    if isinstance(event, Trade):
        return replace(event, side=OTHER[event.side])
    if isinstance(event, Liquidation):
        long = event.liquidated is PositionSide.LONG
        worth = event.size * (2 * MIDDLE - event.price) / event.price
        return replace(event, size=worth, liquidated=PositionSide.SHORT if long else PositionSide.LONG)
    if isinstance(event, BookSnapshot | BookDelta):
        return replace(event, bids=event.asks, asks=event.bids)
    return event


PRICES = {
    "mid",
    "weighted_mid",
    "microprice",
    "last_absorption_price",
    "last_iceberg_price",
    "kyle_lambda",
    "kyle_drift",
}
SEEDS = (1, 2, 3)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_invented_market_is_one_in_which_everything_happens(make, seed):
    said, _ = readings(scenario(make, seed, 2_500))
    seen = {name for opinion in said for name, fact in opinion.facts.items() if fact}
    assert seen >= {
        "sweeps",
        "large_trades",
        "absorptions",
        "iceberg_hints",
        "stacked_imbalances",
        "liquidation_clusters",
        "liquidation_cascade_side",
        "last_sweep_replenished",
        "vpin_descriptive",
        "kyle_lambda",
        "amihud_per_million_quote",
        "roll_spread_bp",
        "effective_spread_bp",
        "tfi",
        "microprice",
        "ofi_integrated_depths",
    }
    kinds = {mark.kind for opinion in said for mark in opinion.marks}
    assert kinds == {"absorption", "iceberg_hint", "stacked_imbalance", "liquidation_cluster"}


SAME = {
    "sweeps",
    "large_trades",
    "large_trade_base",
    "absorptions",
    "iceberg_hints",
    "stacked_imbalances",
    "last_sweep_levels",
    "last_sweep_base",
    "last_sweep_replenished",
    "vpin_descriptive",
    "liquidation_feed",
    "liquidation_clusters",
    "cause",
}
NEGATED = {"tfi", "last_sweep_side", "last_absorption_side", "last_iceberg_side", "liquidation_cascade_side"}
REFLECTED = {"last_absorption_price", "last_iceberg_price", "mid"}
NEARLY_SAME = {"kyle_lambda", "kyle_t", "kyle_r2"}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_price_times_a_power_of_two_changes_prices_and_not_one_bit_of_the_rest(make, seed):
    small, scale = scenario(make, seed, 2_500), 2.0**-20
    said, _ = readings([priced(event, lambda price: price / scale) for event in small])  # steps of 524288
    scaled, _ = readings(small)
    for one, other in zip(said, scaled, strict=True):
        assert (other.score, other.confidence) == (one.score, one.confidence)
        assert other.facts.keys() == one.facts.keys()
        for name, fact in one.facts.items():
            wanted = fact
            if isinstance(fact, float):
                wanted = fact * scale if name in PRICES else fact
            if name == "amihud_per_million_quote" and isinstance(fact, float):
                assert other.facts[name] == pytest.approx(fact / scale, rel=1e-12)
            else:
                assert other.facts[name] == wanted, name
        assert other.marks == tuple(replace(m, low=m.low * scale, high=m.high * scale) for m in one.marks)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_price_of_a_millionth_leaves_what_happened(make, seed):
    events = scenario(make, seed, 2_500)
    said, _ = readings(events)
    scaled, _ = readings([priced(event, lambda price: float(f"{price * 1e-6:.12g}")) for event in events])
    for one, other in zip(said, scaled, strict=True):
        assert other.score == pytest.approx(one.score, abs=1e-9)
        for name in SAME | NEGATED:
            assert other.facts.get(name) == one.facts.get(name), name
        for name in PRICES:
            fact = one.facts.get(name)
            wanted = pytest.approx(fact * 1e-6, rel=1e-6, abs=1e-15) if isinstance(fact, float) else fact
            assert other.facts.get(name) == wanted, name
        zones, found = ([(m.kind, m.side, m.known_ns) for m in opinion.marks] for opinion in (one, other))
        assert sorted(found) == sorted(zones)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_mirrored_market_has_mirrored_happenings(make, seed):
    events = scenario(make, seed, 2_500)
    said, _ = readings(events)
    turned, _ = readings([mirrored(event) for event in events])
    for one, other in zip(said, turned, strict=True):
        assert other.score == pytest.approx(-one.score, abs=1e-9)
        for name, fact in one.facts.items():
            found = other.facts[name]
            if name in SAME or fact is None:
                assert found == fact, name
            elif isinstance(fact, float | int) and name in NEGATED | REFLECTED:
                assert found == pytest.approx(2 * MIDDLE - fact if name in REFLECTED else -fact, abs=1e-9), name
            elif name in NEARLY_SAME:
                assert found == pytest.approx(fact, rel=1e-6, abs=1e-9), name
        zones = sorted((m.kind, m.low, m.high, m.side, m.known_ns) for m in one.marks)
        back = sorted((m.kind, 512 - m.high, 512 - m.low, -m.side, m.known_ns) for m in other.marks)
        assert back == zones


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.integers(1, 599))
def test_a_restored_state_goes_on_with_the_same_bytes(make, seed, cut):
    events = scenario(make, seed, 600)
    whole, book = OrderFlow.new(CONFIG), Book.new(100)
    restored, again = None, Book.new(100)
    for n, event in enumerate(events):
        if n == cut:
            data = msgspec.msgpack.encode((whole, book))
            restored, again = msgspec.msgpack.decode(data, type=tuple[OrderFlow, Book])
        give(whole, book, event)
        if restored is not None:
            give(restored, again, event)
            if n % 10 == 0:
                before = msgspec.msgpack.encode(whole)
                assert msgspec.msgpack.encode(restored) == before
                reading = msgspec.msgpack.encode(whole.read(event.event_ns))
                assert msgspec.msgpack.encode(restored.read(event.event_ns)) == reading
                assert msgspec.msgpack.encode(whole) == before  # to read changes nothing
    assert msgspec.msgpack.encode(restored) == msgspec.msgpack.encode(whole)


@settings(max_examples=25)
@given(st.integers(0, 2**32))
def test_every_fact_is_a_number_and_every_run_says_the_same(make, seed):
    events = scenario(make, seed, 500)
    said, data = readings(events, every=10)
    for opinion in said:
        for name, fact in opinion.facts.items():
            assert not isinstance(fact, float) or abs(fact) < float("inf"), name
        for mark in opinion.marks:
            assert mark.low <= mark.high
            assert 0 <= mark.strength <= 1
            assert mark.formed_ns <= mark.known_ns
    assert readings(events, every=10) == (said, data)


@settings(max_examples=15)
@given(st.integers(0, 2**32), st.integers(1, 399))
def test_what_comes_later_changes_nothing_that_was_said(make, seed, cut):
    events = scenario(make, seed, 400)
    said, _ = readings(events, every=10)
    early, _ = readings(events[:cut], every=10)
    assert early == said[: len(early)]
