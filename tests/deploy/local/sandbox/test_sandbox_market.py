"""The simulated market's properties: reproducible, never crossed, trades at the touch, candles made of trades."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.local.sandbox.book import Book
from deploy.local.sandbox.candles import TIMEFRAMES, Bar, opened
from deploy.local.sandbox.listings import DEFAULT
from deploy.local.sandbox.market import Market
from deploy.local.sandbox.simulation import Simulation
from deploy.local.sandbox.tape import Fill, Print, Tape

START_NS = 1_790_000_040_000_000_000 // 60_000_000_000 * 60_000_000_000
MINUTE_NS = 60_000_000_000


def lived(seed: int = 7, minutes: int = 7, rate: float = 1.0) -> Simulation:
    simulation = Simulation(DEFAULT, seed=seed, start_ns=START_NS, rate=rate)
    for _ in simulation.advance(START_NS + minutes * MINUTE_NS):
        pass
    return simulation


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    return lived()


def test_equal_seeds_give_equal_markets_and_others_do_not(simulation):
    again, other = lived(), lived(seed=8, minutes=1)
    for one, two, three in zip(simulation.markets, again.markets, other.markets, strict=True):
        assert one.tape.fills == two.tape.fills
        assert one.book.depth(1000) == two.book.depth(1000)
        assert one.candles.bars == two.candles.bars
        assert one.tape.fills != three.tape.fills


def test_flow_does_not_depend_on_how_time_was_cut():
    whole, cut = lived(minutes=1), Simulation(DEFAULT, seed=7, start_ns=START_NS)
    for ms in range(0, 60_001, 70):
        for _ in cut.advance(START_NS + ms * 1_000_000):
            pass
    for _ in cut.advance(START_NS + MINUTE_NS):
        pass
    assert [m.tape.fills for m in whole.markets] == [m.tape.fills for m in cut.markets]


@pytest.mark.parametrize("rate", [0.3, 1.0, 8.0])
def test_books_are_never_crossed_and_trades_are_at_the_touch(rate):
    simulation = Simulation(DEFAULT, seed=11, start_ns=START_NS, rate=rate)
    before = [(m.book.best_bid or 0, m.book.best_ask or 0) for m in simulation.markets]
    for happenings in simulation.advance(START_NS + MINUTE_NS):
        for at, happening in enumerate(happenings):
            book = happening.market.book
            bid, ask = book.best_bid, book.best_ask
            assert bid is not None
            assert ask is not None
            assert bid < ask
            assert 200 <= len(book.bids.prices) <= 400
            assert 200 <= len(book.asks.prices) <= 400
            assert all(lots > 0 for lots in book.bids.sizes.values())
            if happening.prints:
                first, (old_bid, old_ask) = happening.prints[0].fills[0], before[at]
                # makers may have withdrawn since the last slice, so the touch can only have become worse
                assert first.price >= old_ask if first.buy else first.price <= old_bid
            before[at] = (bid, ask)


def test_ids_are_consecutive_and_times_in_order(simulation):
    for market in simulation.markets:
        ids = [fill.trade_id for fill in market.tape.fills]
        assert ids == list(range(ids[0], ids[0] + len(ids)))
        prints = [one.print_id for one in market.tape.prints]
        assert prints == list(range(prints[0], prints[0] + len(prints)))
        times = [fill.ms for fill in market.tape.fills]
        assert times == sorted(times)
        assert 0.5 < len(market.tape.prints) / (7 * 60) < 30


def test_minutes_are_made_of_the_trades(simulation):
    for market in simulation.markets:
        for bar in market.candles.read("1m")[-7:-1]:
            fills = [fill for fill in market.tape.fills if bar.open_ms <= fill.ms < bar.open_ms + 60_000]
            prices = [fill.price for fill in fills]
            assert (bar.open, bar.high, bar.low, bar.close) == (prices[0], max(prices), min(prices), prices[-1])
            assert bar.lots == sum(fill.lots for fill in fills)
            assert bar.buy_lots == sum(fill.lots for fill in fills if fill.buy)
            assert bar.quote == sum(fill.lots * fill.price for fill in fills)
            assert bar.trades == len(fills)


def test_history_is_long_gapless_and_agrees_between_timeframes(simulation):
    for market in simulation.markets:
        finer: list[Bar] = []
        for timeframe, period in TIMEFRAMES.items():
            bars = market.candles.read(timeframe)
            assert len(bars) >= 600
            assert all(b.open_ms - a.open_ms == period for a, b in pairwise(bars))
            assert all(bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in bars)
            assert all(0 <= bar.buy_lots <= bar.lots for bar in bars)
            by_open: dict[int, list[Bar]] = {}
            for bar in finer:
                by_open.setdefault(opened(bar.open_ms, period), []).append(bar)
            whole = {bar.open_ms: bar for bar in bars}
            for open_ms, parts in list(by_open.items()):
                bar = whole[open_ms]
                assert bar.open == parts[0].open
                assert bar.close == parts[-1].close
                assert bar.high == max(part.high for part in parts)
                assert bar.low == min(part.low for part in parts)
                assert bar.lots == sum(part.lots for part in parts)
            finer = bars
        minute = market.candles.read("1m")
        start_ms = START_NS // 1_000_000
        last, first = next((a, b) for a, b in pairwise(minute) if b.open_ms == start_ms)
        assert abs(first.open / last.close - 1) < 0.002  # the past joins the live price


def test_the_two_bitcoin_perpetuals_follow_each_other(simulation):
    binance, okx = (m for m in simulation.markets if m.listing.symbol == "BTC-USDT-PERP")
    assert abs(binance.fair / okx.fair - 1) < 0.002


def test_quiet_time_changes_nothing_but_time(simulation):
    market = Market(DEFAULT[0], 1, START_NS // 1_000_000)
    before = market.book.depth(1000), len(market.tape.fills)
    price, phase = 64_000.0, next(iter(simulation._latents.values())).phase
    for _ in range(100):
        assert market.step(price, phase, quiet=True) == ([], [])
    assert (market.book.depth(1000), len(market.tape.fills)) == before
    assert market.ms == START_NS // 1_000_000 + 5000


def test_forced_orders_come_in_volatile_phases():
    markets = lived(seed=2, minutes=8, rate=4.0).markets
    forced = [one for market in markets for one in market.liquidations]
    assert forced
    assert all(market.listing.swap for market in markets if market.liquidations)
    for market in markets:
        traded = {fill.ms for fill in market.tape.fills}
        assert all(one.ms in traded for one in market.liquidations)


def test_a_full_tape_forgets_its_oldest_half_and_says_so():
    tape = Tape(keep=10)
    for at in range(25):
        tape.add(Print(at, (Fill(at, at, 100, 1, True, at * 10),)))
    assert (len(tape.fills) + tape.forgotten, tape.fills[-1].trade_id) == (25, 24)
    assert len(tape.fills) <= 10
    assert [fill.trade_id for fill in tape.fills_from(22, 2)] == [22, 23]
    assert [fill.trade_id for fill in tape.fills_before(22, 2)] == [20, 21]
    assert [one.print_id for one in tape.prints_from(23, 9)] == [23, 24]
    assert [one.print_id for one in tape.prints_since(225)] == [23, 24]


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("put"), st.booleans(), st.integers(1, 30), st.integers(0, 5)),
            st.tuples(st.just("take"), st.booleans(), st.integers(1, 30), st.integers(1, 20)),
        )
    )
)
@settings(max_examples=200, deadline=None)
def test_a_watched_book_tells_every_change(steps):
    book, copy = Book(sequence=10), {True: dict[int, int](), False: dict[int, int]()}
    changes = book.watch()
    for step in steps:
        match step:
            case ("put", bid, price, lots):
                book.put(bid, price, lots)
            case (_, buy, limit, lots):
                best = book.best_ask if buy else book.best_bid
                fills = book.take(buy, lots, limit, 3)
                assert not fills or fills[0][0] == best
                assert sum(taken for _, taken in fills) <= lots
                assert all(price <= limit if buy else price >= limit for price, _ in fills)
        assert book.bids.prices == sorted(book.bids.sizes)
        assert book.asks.prices == sorted(book.asks.sizes)
    for bid, side, touched in ((True, book.bids, changes.bids), (False, book.asks, changes.asks)):
        for price in touched:
            copy[bid][price] = side.sizes.get(price, 0)
        assert {price: lots for price, lots in copy[bid].items() if lots} == side.sizes
    assert bool(changes.first) == bool(changes.bids or changes.asks)
    assert changes.previous == 10
