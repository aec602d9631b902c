"""Layers, levels, structures, regimes and profiles: what was folded, in its order, or the cause of its absence."""

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import LayerReading, Mark, Origin, ProfileKind, ProfileRow, Timeframe
from services.gateway.problems import Problem
from services.gateway.schemas.profiles import rows_near
from services.gateway.store.structures import merge, structures
from tests.services.gateway import flowing
from tests.services.gateway.operations.conftest import walk

BTC = "BTC-USDT-PERP"


def told(make, state, at, *, mark_id="ob-1", low=59_800.0, kind="order_block", formed=0):
    mark = msgspec.structs.replace(
        make.mark(kind, low, low + 100, state=state), mark_id=mark_id, formed_ns=make.NOON - 600 * make.SECOND + formed
    )
    return make.reading("smc", at=make.NOON + at * make.MINUTE, timeframe=Timeframe.M1, marks=(mark,), facts={})


async def test_a_layer_answers_its_newest_reading_and_the_first_of_each_minute(gateway, make, answer):
    seconds = [0, 1, 30, 61, 59, 200, 62]
    readings = [make.reading("cvd", n / 10, at=make.NOON + at * make.SECOND) for n, at in enumerate(seconds)]
    await gateway.fold(*readings[:3])
    await gateway.fold(*readings[2:])
    await gateway.fold(*readings)
    said = await answer("markets.cvd", symbol=BTC)
    assert [(r["as_of_ns"] - make.NOON) // make.SECOND for r in said["data"]] == [200, 61, 0]
    assert said["newest"]["as_of_ns"] == make.NOON + 62 * make.SECOND  # a partition's last one
    assert said["data"][0]["facts"] == {"delta_quote": 1234.5, "cause": None}
    paged = await walk(answer, "markets.cvd", symbol=BTC, limit=1)
    assert [r["as_of_ns"] for r in paged] == [r["as_of_ns"] for r in said["data"]]


async def test_what_came_late_stands_in_its_place_whoever_folds(gateway, make, answer):
    late = make.reading("cvd", 0.9, at=make.NOON + make.SECOND)
    await gateway.fold(make.reading("cvd", 0.1, at=make.NOON + 5 * make.SECOND), late)
    assert [r["score"] for r in (await answer("markets.cvd", symbol=BTC))["data"]] == [0.9]


async def test_readings_of_bars_are_all_kept_and_never_mixed_with_those_of_ticks(gateway, make, answer):
    bars = [
        make.reading("technicals", n / 10, at=make.NOON + n * make.MINUTE, timeframe=Timeframe.M1) for n in range(5)
    ]
    await gateway.fold(*bars, make.reading("technicals", 0.9, timeframe=Timeframe.M15))
    found = await walk(answer, "markets.technicals", symbol=BTC, timeframe="1m", limit=2)
    assert [r["score"] for r in found] == [0.4, 0.3, 0.2, 0.1, 0.0]
    (m15,) = (await answer("markets.technicals", symbol=BTC))["data"]
    assert m15["score"] == 0.9
    span = await answer(
        "markets.technicals", symbol=BTC, timeframe="1m", from_ns=make.NOON, to_ns=make.NOON + 2 * make.MINUTE
    )
    assert [r["score"] for r in span["data"]] == [0.1, 0.0]


@pytest.mark.parametrize("name", ["cvd", "order_flow", "technicals", "factors"])
async def test_a_layer_that_never_spoke_says_so(gateway, make, answer, name):
    await gateway.fold(make.trade())
    said = await answer(f"markets.{name}", symbol=BTC)
    assert (said["layer"], said["newest"], said["cause"], said["data"]) == (name, None, "no_reading", [])


async def test_levels_are_all_marks_the_highest_first_and_filtered_by_each_word(gateway, make, answer):
    marks = (make.mark("order_block", 59_800.0, 59_900.0), make.mark("swing_high", 60_500.0, 60_500.0, side=-1))
    await gateway.fold(
        make.trade(60_100.0),
        make.reading("smc", timeframe=Timeframe.M15, marks=marks),
        make.reading("liquidity", marks=(make.mark("poc", 60_000.0, 60_000.0, side=0, state=""),)),
    )
    said = await answer("markets.levels", symbol=BTC)
    assert [(x["kind"], x["high"], x["timeframe"]) for x in said["data"]] == [
        ("swing_high", 60_500.0, "15m"),
        ("poc", 60_000.0, None),
        ("order_block", 59_900.0, "15m"),
    ]
    assert said["price"] == 60_100.0
    for sent, kinds in (
        ({"side": -1}, ["swing_high"]),
        ({"side": 0}, ["poc"]),
        ({"timeframe": "15m"}, ["swing_high", "order_block"]),
        ({"layer": "liquidity"}, ["poc"]),
        ({"kind": "order_block"}, ["order_block"]),
        ({"state": "fresh"}, ["swing_high", "order_block"]),
        ({"state": "mitigated"}, []),
    ):
        found = await answer("markets.levels", symbol=BTC, **sent)
        assert [x["kind"] for x in found["data"]] == kinds
        assert found["cause"] == (None if kinds else "none_fits")


async def test_a_structure_stands_as_last_told_with_the_first_time_of_each_state(gateway, make, answer):
    readings = [told(make, "fresh", 0), told(make, "fresh", 1), told(make, "touched", 2), told(make, "touched", 3)]
    await gateway.fold(*readings[2:])
    await gateway.fold(*readings[:2])
    await gateway.fold(*readings)
    (structure,) = (await answer("markets.structures", symbol=BTC))["data"]
    assert structure["state"] == "touched"
    assert structure["states"] == {"fresh": make.NOON, "touched": make.NOON + 2 * make.MINUTE}
    assert structure["said_ns"] == make.NOON + 3 * make.MINUTE
    assert (structure["kind"], structure["low"], structure["high"]) == ("order_block", 59_800.0, 59_900.0)


async def test_nothing_is_inferred_from_a_structure_that_is_told_no_more(gateway, make, answer):
    empty = make.reading("smc", at=make.NOON + make.MINUTE, timeframe=Timeframe.M1, facts={})
    await gateway.fold(told(make, "fresh", 0), empty)
    (structure,) = (await answer("markets.structures", symbol=BTC))["data"]
    assert (structure["state"], structure["said_ns"]) == ("fresh", make.NOON)


async def test_structures_are_listed_by_birth_in_pages_and_filtered(gateway, make, answer):
    readings = [
        told(
            make, ("fresh", "mitigated")[n % 2], n, mark_id=f"ob-{n}", formed=n // 2, kind=("order_block", "gap")[n % 2]
        )
        for n, (state, kind) in enumerate(
            [("fresh", "order_block"), ("mitigated", "gap")] * 3 + [("fresh", "order_block")]
        )
    ]
    await gateway.fold(make.trade(), *random.Random(3).sample(readings, 7))
    found = await walk(answer, "markets.structures", symbol=BTC, limit=2)
    assert [s["mark_id"] for s in found] == ["ob-6", "ob-5", "ob-4", "ob-3", "ob-2", "ob-1", "ob-0"]
    found = await walk(answer, "markets.structures", symbol=BTC, state="mitigated", kind="gap", side=1, limit=1)
    assert [s["mark_id"] for s in found] == ["ob-5", "ob-3", "ob-1"]
    assert (await answer("markets.structures", symbol=BTC, timeframe="1h"))["cause"] == "none_told"


_MARKS = st.builds(
    lambda n, state, strength: Mark(
        kind="gap", low=1.0, high=2.0, side=1, strength=strength, formed_ns=0, known_ns=0, state=state, mark_id=f"m{n}"
    ),
    st.integers(0, 2),
    st.sampled_from(["fresh", "touched", "mitigated"]),
    st.sampled_from([0.5, 1.0]),
)
_READINGS = st.lists(
    st.builds(
        lambda at, marks: LayerReading(
            venue="okx",
            symbol=BTC,
            origin=Origin.LIVE,
            layer="smc",
            timeframe=Timeframe.M1,
            as_of_ns=at,
            score=0,
            confidence=1,
            marks=tuple(marks),
        ),
        st.integers(0, 5),
        st.lists(_MARKS, max_size=3, unique_by=lambda mark: mark.mark_id),
    ),
    max_size=12,
)


@given(_READINGS, st.integers(0, 12), st.randoms())
def test_structures_are_the_same_however_the_readings_are_split_and_shuffled(readings, at, chance):
    whole = structures(readings)
    shuffled = readings * 2
    chance.shuffle(shuffled)
    parts = structures(shuffled[:at])
    for key, other in structures(shuffled[at:]).items():
        parts[key] = merge(parts[key], other) if key in parts else other
    assert parts == whole
    for (*_, mark_id), structure in whole.items():
        tellings = [(r.as_of_ns, m) for r in readings for m in r.marks if m.mark_id == mark_id]
        assert structure.said_ns == max(at for at, _ in tellings)
        assert structure.states == {
            state: min(at for at, m in tellings if m.state == state) for state in {m.state for _, m in tellings}
        }


async def test_the_tables_hold_what_the_pure_fold_says(gateway, make, answer):
    chance = random.Random(11)
    readings = [
        told(make, chance.choice(["fresh", "touched", "mitigated"]), chance.randrange(9), mark_id=f"ob-{n % 4}")
        for n in range(40)
    ]
    for _ in range(2):
        chance.shuffle(readings)
        for begin in range(0, 40, 7):
            await gateway.fold(*readings[begin : begin + 7])
    await gateway.fold(make.trade())
    found = {s["mark_id"]: s for s in await walk(answer, "markets.structures", symbol=BTC)}
    wanted = {key[-1]: structure for key, structure in structures(readings).items()}
    assert {k: (s["state"], s["said_ns"], s["states"]) for k, s in found.items()} == {
        k: (s.mark.state, s.said_ns, s.states) for k, s in wanted.items()
    }


async def test_regimes_are_by_timeframe_and_absent_while_they_warm_up(gateway, make, answer):
    await gateway.fold(
        make.trade(),
        make.reading("technicals", timeframe=Timeframe.H1, facts={"regime": None, "regime_adx_14": 12.5}),
        make.reading("technicals", timeframe=Timeframe.M1, facts={"regime": "trend", "regime_bars": 7}),
        make.reading("smc", timeframe=Timeframe.M5),
    )
    found = (await answer("markets.regime", symbol=BTC))["data"]
    assert [(r["timeframe"], r["regime"], r["cause"], r["bars"], r["adx_14"]) for r in found] == [
        ("1m", "trend", None, 7, None),
        ("1h", None, "warming_up", None, 12.5),
    ]


async def test_profiles_are_the_newest_ones_in_bins_nearest_the_price(gateway, make, answer):
    rows = tuple((59_500.0 + 100 * n, float(n), 1.0) for n in range(10))
    await gateway.fold(
        make.trade(60_010.0),
        flowing.profile(rows=rows, at=make.NOON + 10),
        flowing.profile(rows=rows[:2], at=make.NOON),
        flowing.profile(ProfileKind.BOOK, cause="no_book"),
    )
    said = await answer("markets.volume_profile", symbol=BTC)
    assert [tuple(row) for row in said["rows"]] == list(rows)
    assert (said["width"], said["left_out"], said["cause"], said["profile_ns"]) == (100.0, 3, None, make.NOON + 10)
    said = await answer("markets.volume_profile", symbol=BTC, limit=3)
    assert [row[0] for row in said["rows"]] == [59_900.0, 60_000.0, 60_100.0]
    assert said["left_out"] == 10
    book = await answer("markets.liquidity", symbol=BTC)
    assert (book["kind"], book["rows"], book["cause"]) == ("book", [], "no_book")
    none = await answer("markets.liquidity", symbol=BTC, of="liquidations")
    assert (none["kind"], none["cause"], none["profile_ns"]) == ("liquidations", "none_told", None)


def test_rows_without_a_price_are_the_lowest():
    rows = [ProfileRow(float(n), 1.0, 1.0) for n in range(5)]
    assert rows_near(rows, None, 1.0, 2) == rows[:2]
    assert [row.low for row in rows_near(rows, 3.2, 1.0, 2)] == [2.0, 3.0]


async def test_words_that_are_none_are_problems(gateway, make, answer):
    await gateway.fold(make.trade())
    for name, sent in (("levels", {"side": 2}), ("levels", {"timeframe": "2m"}), ("liquidity", {"of": "volume"})):
        with pytest.raises(Problem) as raised:
            await answer(f"markets.{name}", symbol=BTC, **sent)
        assert raised.value.code == "invalid_parameter"


async def test_of_many_levels_those_nearest_the_price_are_shown_in_their_order(gateway, make, answer):
    marks = tuple(make.mark("swing_low", p, p + 5) for p in (100.0, 200.0, 300.0, 400.0))
    await gateway.fold(make.trade(303.0), make.reading("smc", timeframe=Timeframe.M1, marks=marks))
    said = await answer("markets.levels", symbol=BTC, limit=3)
    assert ([x["low"] for x in said["data"]], said["left_out"]) == ([400.0, 300.0, 200.0], 1)
    said = await answer("markets.levels", symbol=BTC, limit=1)
    assert ([x["low"] for x in said["data"]], said["left_out"]) == ([300.0], 3)
