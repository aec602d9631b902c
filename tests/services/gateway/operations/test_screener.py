"""The screener: conditions by their types, order with nulls last, each market once across pages; and regimes."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import Grade, Origin, Timeframe
from services.gateway.problems import Problem
from services.gateway.schemas.columns import COLUMNS, FACTS, SHOWN, Type
from services.gateway.schemas.screening import ConditionError, conditions, sort_key, typed
from tests.services.gateway import flowing
from tests.services.gateway.operations.conftest import walk

SYMBOLS = ("ADA-USDT-PERP", "BTC-USDT-PERP", "ETH-USDT-PERP", "SOL-USDT-PERP")
RSI = (25.0, 55.0, None, 75.0)
REGIMES = ("range", "trend", None, "trend")


def reading(make, symbol, layer="technicals", *, timeframe=Timeframe.M15, score=0.4, facts=None, confidence=0.8):
    one = make.reading(layer, score, timeframe=timeframe, facts=facts or {}, confidence=confidence)
    return msgspec.structs.replace(one, symbol=symbol)


async def world(gateway, make):
    """Four markets with different RSI and regime, one without both."""
    for symbol, rsi, regime in zip(SYMBOLS, RSI, REGIMES, strict=True):
        await gateway.fold(
            make.trade(100.0 + len(symbol), symbol=symbol),
            reading(make, symbol, facts={"rsi_14": rsi, "regime": regime, "regime_bars": 3, "ema_9": 1.0}),
            flowing.funding(0.0001, symbol=symbol),
        )
    await gateway.fold(flowing.quality(Grade.B))


async def symbols(answer, **sent):
    return [row["symbol"][:3] for row in await walk(answer, "screener.run", **sent)]


async def test_markets_are_in_order_with_nulls_last_in_pages_of_any_size(gateway, make, answer):
    await world(gateway, make)
    for limit in (1, 2, 3, 50):
        assert await symbols(answer, sort="rsi_14", limit=limit) == ["SOL", "BTC", "ADA", "ETH"]
        assert await symbols(answer, sort="rsi_14", order="asc", limit=limit) == ["ADA", "BTC", "SOL", "ETH"]
        assert await symbols(answer, sort="regime", limit=limit) == ["BTC", "SOL", "ADA", "ETH"]
        assert await symbols(answer, sort="regime", order="asc", limit=limit) == ["ADA", "BTC", "SOL", "ETH"]
        assert await symbols(answer, sort="score", limit=limit) == ["ADA", "BTC", "ETH", "SOL"]


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        ("rsi_14<30", ["ADA"]),
        ("rsi_14<=55", ["ADA", "BTC"]),
        ("rsi_14 >= 55", ["BTC", "SOL"]),
        ("rsi_14>55,regime=trend", ["SOL"]),
        ("regime!=trend", ["ADA"]),
        ("grade=b", ["ADA", "BTC", "ETH", "SOL"]),
        ("stale=true", []),
        ("funding_rate=0.0001,stale=false", ["ADA", "BTC", "ETH", "SOL"]),
        ("score>0", []),
        ("", ["ADA", "BTC", "ETH", "SOL"]),
    ],
)
async def test_all_conditions_must_hold_and_what_is_absent_fits_none(gateway, make, answer, where, wanted):
    await world(gateway, make)
    assert await symbols(answer, where=where, sort="price", order="asc") == wanted


async def test_a_row_holds_the_columns_that_were_asked_for_with_their_units(gateway, make, answer):
    await world(gateway, make)
    found = await answer("screener.run", columns="rsi_14,price", sort="regime", where="rsi_14=55")
    assert (found["markets"], found["fitting"]) == (4, 1)
    (row,) = found["data"]
    assert row["values"] == {"rsi_14": 55.0, "price": 113.0, "regime": "trend"}
    assert found["columns"]["rsi_14"] == {
        "type": "number",
        "unit": "0 to 100",
        "meaning": "relative strength, Wilder",
        "layer": "technicals",
    }
    assert (row["quality"]["grade"], row["origin"], row["stale"]) == ("b", "simulated", False)
    assert list((await answer("screener.run"))["columns"]) == list(dict.fromkeys((*SHOWN, "score")))


async def test_signals_flows_and_layers_of_the_timeframe_stand_in_one_row(gateway, make, answer):
    signal = make.signal()
    btc = "BTC-USDT-PERP"
    await gateway.fold(
        make.trade(),
        signal,
        make.verdict(signal),
        flowing.mark_price(),
        flowing.open_interest(),
        reading(make, btc, "cvd", timeframe=None, score=0.1),
        reading(make, btc, "cvd", timeframe=Timeframe.M1, score=0.2),
        reading(make, btc, "smc", timeframe=Timeframe.H1, score=0.3),
        reading(make, btc, "order_flow", timeframe=None, score=0.0, confidence=0.0),
        reading(make, btc, "factors", timeframe=None, facts={"price_change_24h": 0.03, "fear_greed_points": 20}),
    )
    columns = "label,score,decision,basis_bp,open_interest_base,cvd_score,smc_score,order_flow_score,price_change_24h"

    async def values(timeframe):
        (row,) = (await answer("screener.run", columns=columns, timeframe=timeframe))["data"]
        return row["values"]

    assert await values("1m") == {
        "label": "buy",
        "score": 0.42,
        "decision": "publish",
        "basis_bp": 5.0,
        "open_interest_base": 1500.0,
        "cvd_score": 0.2,
        "smc_score": None,
        "order_flow_score": None,  # it abstains
        "price_change_24h": 0.03,
    }
    found = await values("1h")
    assert (found["label"], found["cvd_score"], found["smc_score"]) == (None, 0.1, 0.3)


async def test_what_another_origin_said_is_not_known_of_a_market(gateway, make, answer):
    await gateway.fold(reading(make, SYMBOLS[1], facts={"rsi_14": 50.0}), flowing.quality(origin=Origin.LIVE))
    gateway.clock.now += 10 * make.SECOND
    live = msgspec.structs.replace(make.trade(), origin=Origin.LIVE)
    await gateway.fold(live)
    (row,) = (await answer("screener.run", columns="rsi_14,price,grade"))["data"]
    assert (row["origin"], row["values"]["rsi_14"], row["values"]["price"]) == ("live", None, 60_000.0)
    assert row["values"]["grade"] == "b"


async def test_what_was_not_told_for_two_bars_is_not_known_any_more(gateway, make, answer):
    await world(gateway, make)
    gateway.clock.now += 31 * make.MINUTE
    for found in ((await answer("screener.run", columns="rsi_14"))["data"], (await answer("regime.list"))["data"]):
        assert len(found) == 4
    assert [r["values"]["rsi_14"] for r in (await answer("screener.run", columns="rsi_14"))["data"]] == list(RSI)
    assert not any(r["stale"] for r in (await answer("regime.list"))["data"])
    gateway.clock.now += 1
    assert [r["values"]["rsi_14"] for r in (await answer("screener.run", columns="rsi_14"))["data"]] == [None] * 4
    assert all(r["stale"] for r in (await answer("regime.list"))["data"])


@pytest.mark.parametrize(
    "sent",
    [
        {"where": "rsi<30"},
        {"where": "rsi_14<x"},
        {"where": "rsi_14"},
        {"where": "regime<trend"},
        {"where": "stale=maybe"},
        {"where": ",".join(["rsi_14<30"] * 13)},
        {"where": "x" * 501},
        {"sort": "rsi"},
        {"columns": "price,rsi"},
        {"order": "up"},
        {"cursor": "x"},
    ],
)
async def test_a_question_that_makes_no_sense_is_a_problem(gateway, answer, sent):
    with pytest.raises(Problem) as raised:
        await answer("screener.run", **sent)
    assert raised.value.code == "invalid_parameter"
    assert raised.value.errors[0].field == next(iter(sent))


async def test_a_cursor_of_another_order_is_refused(gateway, make, answer):
    await world(gateway, make)
    page = await answer("screener.run", sort="rsi_14", limit=1)
    with pytest.raises(Problem):
        await answer("screener.run", sort="price", limit=1, cursor=page["next_cursor"])


@given(st.text(max_size=80))
def test_any_other_text_is_no_condition(text):
    try:
        found = conditions(text)
    except ConditionError:
        return
    assert all(one.column in COLUMNS for one in found)


@given(
    st.lists(st.none() | st.floats(allow_nan=False) | st.integers(-5, 5), max_size=20),
    st.booleans(),
)
def test_rows_are_sorted_as_their_values_with_nulls_last(values, descending):
    keyed = sorted(
        (sort_key({"score": value}, "score", f"{n:02}", "v", descending=descending), n)
        for n, value in enumerate(values)
    )
    known = [values[n] for _, n in keyed if values[n] is not None]
    assert known == sorted(known, reverse=descending)
    assert [values[n] for _, n in keyed][len(known) :] == [None] * (len(values) - len(known))


def test_a_fact_of_another_type_is_no_value():
    assert [typed("rsi_14", value) for value in (50, 50.5, "x", True, None, float("nan"))] == [50.0, 50.5] + [None] * 4
    assert [typed("regime", value) for value in ("trend", 1.0, True, None)] == ["trend", None, None, None]


def test_columns_say_what_they_are():
    assert {column.type for column in COLUMNS.values()} == set(Type)
    assert all(column.meaning for column in COLUMNS.values())
    assert "rsi_14" in FACTS["technicals"]
    assert set(SHOWN) <= set(COLUMNS)
    page = (Path(__file__).parents[4] / "docs" / "api-markets.md").read_text()
    for name, column in COLUMNS.items():
        assert f"| `{name}` | {column.type.value} |" in page, f"{name} is not in docs/api-markets.md"


async def test_regimes_of_all_markets_by_word_and_venue(gateway, make, answer):
    await world(gateway, make)
    found = await walk(answer, "regime.list", limit=1)
    assert [(one["symbol"][:3], one["regime"], one["cause"], one["bars"]) for one in found] == [
        ("ADA", "range", None, 3),
        ("BTC", "trend", None, 3),
        ("ETH", None, "warming_up", 3),
        ("SOL", "trend", None, 3),
    ]
    assert [one["symbol"][:3] for one in await walk(answer, "regime.list", regime="trend", limit=1)] == ["BTC", "SOL"]
    assert (await answer("regime.list", regime="quiet"))["cause"] == "none_fits"
    assert (await answer("regime.list", timeframe="1d"))["cause"] == "no_reading"
