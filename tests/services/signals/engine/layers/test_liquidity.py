"""The whole layer: hand-made books and tapes, abstentions, bounds, mirror, unit of price, and predecessors' bugs."""

import math
from itertools import count
from types import SimpleNamespace

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from msgspec import structs

from libs.common.events import (
    BookDelta,
    BookSnapshot,
    Gap,
    Liquidation,
    MarkPrice,
    OpenInterest,
    PositionSide,
    Side,
    Trade,
)
from services.signals.engine.book import Book
from services.signals.engine.config import EngineConfig
from services.signals.engine.layers.liquidity import Liquidity
from services.signals.engine.parameters.liquidity import LiquidityParameters

SECOND = 10**9
DAY_S = 86_400


def run(events, layer=None, book=None, **told):
    layer = layer or Liquidity.new(EngineConfig(liquidity=LiquidityParameters(**told)))
    book = book or Book.new(5000)
    for event in events:
        match event:
            case BookSnapshot() | BookDelta():
                book.replace(event) if isinstance(event, BookSnapshot) else book.change(event)
                layer.on_book(book, event)
            case Trade():
                layer.on_trade(event)
            case Gap():
                layer.on_gap(event)
            case _:
                layer.on_context(event)
    return layer


@pytest.fixture(scope="module")
def say(make):
    """Builders of what the shared fixture lacks; times in seconds after START."""

    def head(at_s):
        at_ns = make.START + round(at_s * SECOND)
        return {"venue": "v", "symbol": "S-USDT", "event_ns": at_ns, "received_ns": at_ns}

    def liquidation(at_s, price, size, side):
        return Liquidation(**head(at_s), price=price, size=size, liquidated=side)

    def interest(at_s, **units):
        return OpenInterest(**head(at_s), **units)

    def mark(at_s, price):
        return MarkPrice(**head(at_s), price=price)

    return SimpleNamespace(liquidation=liquidation, interest=interest, mark=mark)


def ladder(levels=60, step=0.01, size=10.0, price=100.0, walls=()):
    """Return the sides of a book that is the same on both sides but for `walls`, ticks from the price to size."""
    extra = dict(walls)
    bids = [(round(price - n * step, 6), extra.get(-n, size)) for n in range(1, levels + 1)]
    asks = [(round(price + n * step, 6), extra.get(n, size)) for n in range(1, levels + 1)]
    return bids, asks


def standing(make, seconds, walls=(), **shape):
    """Return a book that stands as it is, confirmed each second."""
    yield make.snapshot(0, *ladder(walls=walls, **shape), 0)
    for second in range(1, seconds + 1):
        yield make.delta(second, [], [], second)


def at(make, seconds):
    return make.START + round(seconds * SECOND)


def test_a_balanced_book_says_nothing(make):
    opinion = run(standing(make, 120)).read(at(make, 120))
    assert opinion.score == 0.0
    assert opinion.facts["depth_balance"] == 0.0
    assert opinion.confidence == pytest.approx(120 / 300)
    assert opinion.facts["walls"] == 0
    assert opinion.marks == ()


@pytest.mark.parametrize(("tick", "side", "kind"), [(-9, 1, "bid_wall"), (9, -1, "ask_wall")])
def test_a_wall_below_supports_and_one_above_resists(make, tick, side, kind):
    opinion = run(standing(make, 120, walls={tick: 200.0})).read(at(make, 120))
    (mark,) = opinion.marks
    assert (mark.kind, mark.side, mark.state) == (kind, side, kind)
    assert mark.low <= 100 + tick / 100 <= mark.high
    assert mark.strength == pytest.approx(1 - 20 / 210)  # two levels a bin: 200 + 10 against 20
    assert (mark.formed_ns, mark.known_ns) == (at(make, 0), at(make, 120))
    assert opinion.facts[f"{kind}_quote"] == pytest.approx(210 * (mark.low + mark.high) / 2)
    assert opinion.facts[f"{kind}_persistence"] == 1.0
    assert opinion.facts[f"{kind}_pulled_share"] is None
    assert opinion.score * side > 0.05
    assert opinion.facts["support_price" if side > 0 else "resistance_price"] == pytest.approx(
        100 + tick / 100, abs=0.02
    )


def test_what_is_farther_counts_less_not_more(make):
    """A predecessor's probability rose with the distance."""
    scores = [run(standing(make, 120, walls={-n: 200.0})).read(at(make, 120)).score for n in (5, 15, 25, 35, 45)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 2 * scores[-1] > 0


def flicker(make, seconds, tick, size, every):
    yield make.snapshot(0, *ladder(), 0)
    for second in range(1, seconds + 1):
        price = round(100 + tick / 100, 6)
        level = [(price, size if second % every == 0 else 10.0)]
        yield make.delta(second, *((level, []) if tick < 0 else ([], level)), second)


def test_a_flickering_wall_scores_low(make):
    steady = run(standing(make, 240, walls={-9: 400.0})).read(at(make, 240))
    nervous = run(flicker(make, 240, -9, 400.0, 4)).read(at(make, 240))
    assert nervous.facts["bid_wall_pulled_share"] == 1.0
    assert nervous.facts["bid_wall_persistence"] < 0.3
    assert steady.facts["bid_wall_strength"] > 0.9
    assert nervous.facts["bid_wall_strength"] < 0.1


def test_a_wall_that_trades_eat_is_not_one_that_was_pulled(make):
    def eaten():
        for event in flicker(make, 240, -9, 400.0, 4):
            second = (event.event_ns - make.START) // SECOND
            if second % 4 == 1 and second > 1:
                yield make.trade(second - 0.5, 99.91, 390.0, Side.SELL)
            yield event

    facts = run(eaten()).read(at(make, 240)).facts
    assert facts["bid_wall_pulled_share"] == pytest.approx(0.0, abs=1e-9)
    bought = [make.trade(n - 0.5, 99.91, 390.0, Side.BUY, f"b{n}") for n in range(5, 240, 4)]
    events = sorted([*bought, *flicker(make, 240, -9, 400.0, 4)], key=lambda event: event.event_ns)
    assert run(events).read(at(make, 240)).facts["bid_wall_pulled_share"] == 1.0, "buyers take asks"


def test_cost_to_move_by_hand_and_nothing_beyond_the_book(make):
    bids, asks = ladder(levels=12)
    facts = run([make.snapshot(0, bids, asks, 0)]).read(at(make, 0)).facts
    assert facts["cost_up_5bp_quote"] == pytest.approx(10 * (100.01 + 100.02 + 100.03 + 100.04 + 100.05))
    assert facts["cost_down_10bp_quote"] == pytest.approx(sum(10 * price for price, _ in bids[:10]))
    assert facts["cost_up_25bp_quote"] is None
    assert facts["cost_down_100bp_quote"] is None
    assert facts["bid_depth_50bp_quote"] is None
    assert facts["covered_up_bp"] == pytest.approx(12)
    assert (facts["book_levels_bid"], facts["book_levels_ask"]) == (12, 12)
    whole = run([make.snapshot(0, *ladder(levels=150), 0)]).read(at(make, 0)).facts
    assert (
        whole["ask_depth_50bp_quote"]
        == whole["cost_up_50bp_quote"]
        == pytest.approx(sum(10 * (100 + n / 100) for n in range(1, 51)))
    )


def test_a_venue_whose_changes_go_beyond_its_snapshot_proves_no_depth_there(make):
    def told(venue):
        first = structs.replace(make.snapshot(0, *ladder(levels=40), 0), venue=venue)
        far = structs.replace(make.delta(1, [(90.0, 1.0)], [(110.0, 1.0)], 1), venue=venue)
        return run([first, far], partial_levels=36).read(at(make, 1)).facts

    assert told("kraken")["covered_up_bp"] == pytest.approx(1000)
    assert told("binance-usdm")["covered_up_bp"] == pytest.approx(36)
    assert told("binance-usdm")["cost_up_50bp_quote"] is None
    assert told("binance-usdm")["cost_up_25bp_quote"] is not None


def test_a_side_that_shows_more_levels_is_not_heavier(make):
    bids, asks = ladder(levels=30)[0], ladder(levels=90)[1]
    assert run([make.snapshot(0, bids, asks, 0), make.delta(60, [], [], 1)]).read(at(make, 60)).score == 0.0


@pytest.mark.parametrize(
    ("events", "cause"),
    [
        (lambda make: [], "no_book"),
        (lambda make: [make.snapshot(0, [(9.0, 1.0)], [(10.0, 1.0)], 0), make.delta(1, [], [], 5)], "out_of_sync"),
        (lambda make: [make.snapshot(0, [(9.0, 1.0)], [], 0)], "one_sided"),
        (lambda make: [make.snapshot(0, [(11.0, 1.0)], [(10.0, 1.0)], 0)], "crossed"),
        (lambda make: [make.snapshot(-60, *ladder(), 0)], "stale"),
        (lambda make: [make.snapshot(0, *ladder(), 0), make.gap(0, 1, stream="books")], "gap"),
        (lambda make: [make.snapshot(0, *ladder(levels=3), 0)], "shallow"),
        (lambda make: [make.trade(0)], "no_book"),
    ],
)
def test_abstains_with_its_cause(make, events, cause):
    opinion = run(events(make)).read(at(make, 1))
    assert (opinion.score, opinion.confidence, opinion.facts["cause"]) == (0.0, 0.0, cause)


def test_after_a_loss_coverage_starts_anew(make):
    layer = run([*standing(make, 60), make.gap(60, 61, stream="books")])
    book = Book.new(100)
    run([make.snapshot(70, *ladder(), 100), make.delta(100, [], [], 101)], layer, book)
    opinion = layer.read(at(make, 100))
    assert opinion.confidence == pytest.approx(30 / 300)
    assert {cell.born_ns for cell in layer.bids.cells} == {at(make, 70)}


def test_liquidated_longs_are_longs(make, say):
    """A predecessor booked Binance's buy orders, which close shorts, as long liquidations."""
    events = [
        *standing(make, 2),
        make.trade(2, 100.0),
        say.liquidation(2, 99.9, 3.0, PositionSide.LONG),
        say.liquidation(2, 99.9, 3.0, PositionSide.LONG),
        say.liquidation(2, 100.1, 1.0, PositionSide.SHORT),
        make.delta(12, [], [], 3),
    ]
    opinion = run(events).read(at(make, 12))
    assert opinion.facts["liquidated_longs_base"] == pytest.approx(3.0, rel=1e-3), "ten of 14,400 s on"
    assert opinion.facts["liquidated_shorts_base"] == pytest.approx(1.0, rel=1e-3)
    assert opinion.facts["liquidations_heard"] == 2, "the topic may say one again"
    assert opinion.facts["liquidations_coverage"] == "lower_bound"
    marks = {round(mark.low, 6): (mark.kind, mark.side) for mark in opinion.marks if mark.kind != "poc"}
    assert marks == {99.9: ("liquidations", 1), 100.1: ("liquidations", -1)}


def test_liquidations_are_forgotten_by_half_in_four_hours(make, say):
    layer = run([make.snapshot(0, *ladder(), 0), say.liquidation(0, 100.0, 1.0, PositionSide.LONG)])
    run([make.snapshot(4 * 3600, *ladder(), 1)], layer)
    assert layer.read(at(make, 4 * 3600)).facts["liquidated_longs_base"] == 0.5


def test_no_leverage_is_read_from_the_size_of_a_liquidation(make, say):
    """A predecessor guessed 125x from a small order."""
    small, large = (
        run([*standing(make, 12), say.liquidation(2, 99.9, size, PositionSide.LONG)]).read(at(make, 12)).facts
        for size in (0.001, 1000.0)
    )
    assert {name for name in small if "leverage" in name or "liquidation_model" in name} == {
        "liquidation_model_state",
        "liquidation_model_cause",
    }
    assert small["liquidation_model_state"] == large["liquidation_model_state"] == "absent"


def modelled(make, say, *, interest=1300.0):
    return [
        *standing(make, 2),
        make.trade(2.1, 100.0),
        say.interest(2.2, base=1000.0),
        say.interest(2.3, base=interest),
        make.delta(12, [], [], 3),
    ]


def test_the_model_needs_growing_open_interest_and_says_what_it_is(make, say):
    facts = run(modelled(make, say)).read(at(make, 12)).facts
    assert facts["liquidation_model_state"] == "MODEL"
    assert facts["liquidation_model_longs"] == facts["liquidation_model_shorts"] == pytest.approx(300.0)
    # the nearest are those of 100x: 100 (1 - 0.01 + 0.004), and (1 + 0.01 - 0.004)
    assert facts["liquidation_model_long_nearest"] == pytest.approx(99.4, abs=0.2)
    assert facts["liquidation_model_short_nearest"] == pytest.approx(100.6, abs=0.2)
    assert facts["liquidation_model_mix"] == "5x0.2,10x0.2,25x0.2,50x0.2,100x0.2"
    assert run(modelled(make, say, interest=1000.0)).read(at(make, 12)).facts["liquidation_model_longs"] == 0.0


def test_the_model_neither_scores_nor_strengthens_what_was_observed(make, say):
    wall = {-59: 400.0}  # where the model puts longs of 100x
    events = [make.snapshot(0, *ladder(walls=wall), 0), *list(modelled(make, say))[1:]]
    plain = [event for event in events if not isinstance(event, OpenInterest)]
    with_model, without = run(events).read(at(make, 12)), run(plain).read(at(make, 12))
    assert with_model.score == without.score
    observed = [mark for mark in with_model.marks if mark.state != "MODEL"]
    assert observed == list(without.marks)
    model = [mark for mark in with_model.marks if mark.state == "MODEL"]
    assert {mark.kind for mark in model} == {"liquidation_model_long", "liquidation_model_short"}
    assert {mark.side for mark in model} == {0}
    assert all((mark.high < 100) == (mark.kind == "liquidation_model_long") for mark in model)


def test_modelled_levels_go_when_the_price_they_are_margined_by_touches_them(make, say):
    layer = run(modelled(make, say))
    assert "liquidation_model_long" in {mark.kind for mark in layer.read(at(make, 12)).marks}
    run([make.trade(13, 99.5)], layer)
    assert layer.read(at(make, 13)).facts["liquidation_model_longs"] == pytest.approx(240.0, rel=1e-9)
    assert all(not mark.low <= 99.4 <= mark.high for mark in layer.read(at(make, 13)).marks)
    run([say.mark(14, 100.0), make.trade(15, 95.0)], layer)
    assert layer.read(at(make, 12)).facts["liquidation_model_longs"] == pytest.approx(240.0), "the mark decides"
    run([say.mark(16, 103.0)], layer)
    facts = layer.read(at(make, 12)).facts
    assert facts["liquidation_model_shorts"] == pytest.approx(180.0)
    run([say.interest(17, base=650.0)], layer)
    assert layer.read(at(make, 12)).facts["liquidation_model_shorts"] == pytest.approx(90.0), "half was closed"


def test_the_profile_is_of_one_utc_day_and_leaves_its_naked_control_behind(make):
    events = [make.trade(-60, 100.0)]
    events += [make.trade(n, 100 + (n % 7) / 100, 1 + n % 3, trade_id=f"a{n}") for n in range(0, 600, 5)]
    events += [make.trade(700, 101.005, 500.0), make.trade(800, 100.0)]
    layer = run(events)
    facts = layer.read(at(make, 800)).facts
    assert facts["session_complete"]
    assert facts["session_volume_base"] == sum(event.size for event in events[1:])
    assert facts["session_buy_share"] == 1.0
    assert facts["naked_pocs"] == 0
    run([make.trade(DAY_S + 1, 100.0, 2.0), make.trade(DAY_S - 1, 100.0, 9.0)], layer)
    facts = layer.read(at(make, DAY_S + 1)).facts
    assert facts["session_volume_base"] == 2.0, "the day before is over"
    assert facts["profile_late_trades"] == 1
    assert [layer.grid.at(control.bin) for control in layer.controls.kept] == [pytest.approx(101.0)]
    run([make.trade(DAY_S + 2, 101.5)], layer)
    assert layer.read(at(make, DAY_S + 2)).facts["naked_pocs"] == 0


def test_a_day_with_a_hole_leaves_no_control_behind(make):
    events = [make.trade(-60, 100.0), make.trade(1, 101.0, 50.0), make.gap(1, 30), make.trade(31, 100.0)]
    layer = run([*events, make.trade(DAY_S + 1, 100.0)])
    assert layer.controls.kept == []
    healed = [*events, make.gap(1, 30, recovered=True), make.trade(DAY_S + 1, 100.0)]
    assert len(run(healed).controls.kept) == 1


def tape(draws):
    """Return (second, kind, tick, size) events with rising times from hypothesis's draws."""
    now, events = 0.0, []
    for step, *rest in draws:
        now += step
        events.append((now, *rest))
    return events


draws = st.lists(
    st.tuples(
        st.floats(0.01, 9.0),
        st.sampled_from(["trade", "level", "level", "liquidation", "interest"]),
        st.integers(-40, 40).filter(bool),
        st.floats(0.5, 900.0),
        st.booleans(),
    ),
    max_size=60,
)


def play(make, say, events, *, mirror=1, scale=1.0):
    """Return events around 100 (times `scale`), mirrored at it for -1; prices lie between the edges of bins."""

    def price(tick):
        return round((100 + mirror * (tick + (0.5 if tick < 0 else -0.5)) / 100) * scale, 14)

    def rows(sign):
        return [(price(sign * n), 10.0 + n % 5) for n in range(1, 61)]

    def sides(down, up):
        return (down, up) if mirror > 0 else (up, down)

    out = [make.snapshot(0, *sides(rows(-1), rows(1)), 0)]
    for n, (second, kind, tick, size, flag) in enumerate(events, start=1):
        if kind == "trade":
            side = Side.BUY if flag == (mirror > 0) else Side.SELL
            out.append(make.trade(second, price(tick), size, side, f"t{n}"))
        elif kind == "level":
            row = [(price(tick), 0.0 if flag and abs(tick) > 1 else size)]
            out.append(make.delta(second, *sides(*((row, []) if tick < 0 else ([], row))), 0))
        elif kind == "liquidation":
            lost = PositionSide.LONG if flag == (mirror > 0) else PositionSide.SHORT
            out.append(say.liquidation(second, price(tick), size, lost))
        else:
            out.append(say.interest(second, base=size))
    numbers = count(1)
    return [
        structs.replace(event, first_sequence=(n := next(numbers)), last_sequence=n)
        if isinstance(event, BookDelta)
        else event
        for event in out
    ]


@hypothesis_settings(max_examples=60)
@given(draws)
def test_bounded_finite_odd_and_free_of_the_prices_unit(make, say, drawn):
    events = tape(drawn)
    end = at(make, max([1.0, *(second for second, *_ in events)]))
    plain, other, tiny = (
        run(play(make, say, events, **how)).read(end) for how in ({}, {"mirror": -1}, {"scale": 1e-6})
    )
    assert -0.5 <= plain.score <= 0.5
    assert 0 <= plain.confidence <= 1
    assert all(0 <= mark.strength <= 1 and mark.formed_ns <= mark.known_ns <= end for mark in plain.marks)
    assert len(plain.marks) <= 12
    assert not any(isinstance(fact, float) and not math.isfinite(fact) for fact in plain.facts.values())
    assert run([event for event in play(make, say, events) if not isinstance(event, OpenInterest)]).read(end).score == (
        plain.score
    ), "a model has no part in the score"
    assert other.score == pytest.approx(-plain.score, abs=1e-9)
    assert tiny.score == pytest.approx(plain.score, abs=1e-9)
    assert plain.confidence == other.confidence == tiny.confidence


@hypothesis_settings(max_examples=40)
@given(draws, st.integers(0, 60))
def test_a_dump_in_between_and_the_past_change_nothing(make, say, drawn, cut):
    events = play(make, say, tape(drawn))
    layer, book = run(events[:cut]), Book.new(5000)
    now = max([at(make, 0), *(event.event_ns for event in events[:cut])])
    before = layer.read(now)
    assert layer.read(now) == before, "reading changes nothing"
    run(
        [event for event in events[:cut] if isinstance(event, BookSnapshot | BookDelta)],
        Liquidity.new(EngineConfig()),
        book,
    )
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(layer), type=Liquidity)
    run(events[cut:], again, book)
    whole = run(events)
    assert msgspec.msgpack.encode(again) == msgspec.msgpack.encode(whole)


def test_a_coin_that_multiplies_its_price_gets_a_new_grid(make):
    layer = run([make.snapshot(0, *ladder(), 0), make.trade(0, 100.0)])
    run([make.trade(DAY_S, 250.0)], layer)
    assert layer.grid.price == 250.0
    assert layer.read(at(make, DAY_S)).facts["cause"] == "regrid"
    run([make.snapshot(DAY_S + 1, *ladder(price=250.0), 5)], layer)
    assert "cause" not in layer.read(at(make, DAY_S + 1)).facts
