"""The layer over recorded sessions of August 2024, against raw frames: polars for profiles, dictionaries for books."""

import gzip
import json
import math
from decimal import Decimal
from functools import cache
from typing import Any

import polars as pl
import pytest

from libs.common.events import DAY_NS, SECOND_NS, BookDelta, BookSnapshot, Side, Trade
from services.signals.engine.book import Book
from services.signals.engine.config import EngineConfig
from services.signals.engine.layers.liquidity import Liquidity
from services.signals.engine.parameters.liquidity import LiquidityParameters

pytestmark = pytest.mark.recordings

MIDNIGHT = 1_723_161_600 * SECOND_NS  # 2024-08-09
SESSIONS = {
    "binance-spot": ("binance_spot", ("2024-08-08", "2024-08-09")),
    "binance-usdm": ("binance_usdm", ("2024-08-08",)),
}


@cache
def frames(recordings, venue):
    """Return (raw frame, decoded) of trades, depth and the snapshot, in order."""
    folder, days = SESSIONS[venue]
    kept = []
    for day in days:
        with gzip.open(recordings / "raw" / folder / f"{day}_btcusdt.gz") as lines:
            for line in lines:
                if b"bookTicker" not in line:
                    frame = json.loads(line.split(b" ", 1)[1])
                    kept.append(frame.get("data", frame))
    return kept


def trades(recordings, venue):
    return [frame for frame in frames(recordings, venue) if frame.get("e") == "trade"]


def trade(venue, row):
    return Trade(
        venue=venue,
        symbol="BTC-USDT",
        event_ns=row["T"] * 10**6,
        received_ns=0,
        price=float(row["p"]),
        size=float(row["q"]),
        side=Side.SELL if row["m"] else Side.BUY,
        trade_id=str(row["t"]),
    )


def levels(rows):
    return tuple((float(price), float(size)) for price, size in rows)


def events(recordings, venue):
    """Return trades, the snapshot, and the changes that follow it, chained as the topic has them."""
    head = {"venue": venue, "symbol": "BTC-USDT", "received_ns": 0}
    sequence, at_ns = -1, 0
    early: list[dict[str, Any]] = []

    def changes(rows):
        nonlocal sequence, at_ns
        for row in rows:
            if row["u"] > sequence:
                at_ns = row.get("T", row["E"]) * 10**6
                sides = {"bids": levels(row["b"]), "asks": levels(row["a"])}
                yield BookDelta(**head, event_ns=at_ns, **sides, first_sequence=sequence + 1, last_sequence=row["u"])
                sequence = row["u"]

    for frame in frames(recordings, venue):
        if frame.get("e") == "trade":
            at_ns = frame["T"] * 10**6
            yield trade(venue, frame)
        elif "lastUpdateId" in frame:
            sequence = frame["lastUpdateId"]
            sides = {"bids": levels(frame["bids"]), "asks": levels(frame["asks"])}
            yield BookSnapshot(**head, event_ns=at_ns, **sides, sequence=sequence)
            yield from changes(early)
        elif sequence < 0:
            early.append(frame)
        else:
            yield from changes([frame])


def expected_profile(rows, width):
    """Return bins of `width` quote units with taker volumes, empty ones in between included, by polars."""
    bins = [int(Decimal(row["p"]) // width) for row in rows]
    table = pl.DataFrame(
        {
            "bin": bins,
            "size": [float(row["q"]) for row in rows],
            "notional": [float(row["q"]) * float(row["p"]) for row in rows],
            "sold": [row["m"] for row in rows],
        }
    )
    sums = table.group_by("bin").agg(
        pl.col("size").filter(~pl.col("sold")).sum().alias("bought"),
        pl.col("size").filter(pl.col("sold")).sum().alias("sold"),
    )
    whole = pl.DataFrame({"bin": range(min(bins), max(bins) + 1)})
    sums = whole.join(sums, on="bin", how="left").fill_null(0.0).sort("bin")
    return sums.with_columns((pl.col("bought") + pl.col("sold")).alias("volume")), table


def expected_value_area(volumes, control):
    """Return the ends of the 70 % area: pairs of rows, spelled out with a set of rows."""
    taken, total = {control}, sum(volumes)
    while sum(volumes[at] for at in taken) < 0.7 * total:
        up = [at for at in (max(taken) + 1, max(taken) + 2) if at < len(volumes)]
        down = [at for at in (min(taken) - 1, min(taken) - 2) if at >= 0]
        gain, loss = (sum(volumes[at] for at in side) for side in (up, down))
        taken |= set(up if up and (gain >= loss or not down) else down)
    return min(taken), max(taken)


@pytest.mark.parametrize("venue", SESSIONS)
def test_the_profile_is_that_of_the_raw_trades(recordings, venue):
    layer, width, checked = Liquidity.new(EngineConfig(liquidity=LiquidityParameters(profile_every_ns=0))), 20, 0
    rows = trades(recordings, venue)
    assert len(rows) == {"binance-spot": 19_904, "binance-usdm": 21_313}[venue]
    for session_ns in (MIDNIGHT - DAY_NS, MIDNIGHT):
        day = [row for row in rows if session_ns <= row["T"] * 10**6 < session_ns + DAY_NS]
        if not day:
            continue
        for row in day:
            layer.on_trade(trade(venue, row))
        table, raw = expected_profile(day, width)
        assert layer.grid is not None
        assert layer.profile is not None
        assert layer.grid.width == width
        first = table["bin"][0]
        for number, bought, sold, _ in table.rows():
            own = layer.profile.rows.get(number)
            assert (own.bought if own else 0.0) == pytest.approx(bought, rel=1e-9)
            assert (own.sold if own else 0.0) == pytest.approx(sold, rel=1e-9)
        facts = layer.read(day[-1]["T"] * 10**6).facts
        assert facts["session_volume_base"] == pytest.approx(raw["size"].sum(), rel=1e-9)
        assert layer.profile.notional == pytest.approx(raw["notional"].sum(), rel=1e-9)
        control = table["volume"].arg_max()
        assert facts["poc_price"] == (first + control) * width + width / 2
        low, high = expected_value_area(table["volume"].to_list(), control)
        assert (facts["value_area_low"], facts["value_area_high"]) == (
            (first + low) * width,
            (first + high + 1) * width,
        )
        assert facts["value_area_volume_base"] == pytest.approx(table["volume"][low : high + 1].sum(), rel=1e-9)
        assert facts["profile_age_s"] == 0.0
        checked += len(day)
    assert checked == len(rows)


@pytest.mark.parametrize("venue", SESSIONS)
def test_the_cost_to_move_is_that_of_the_raw_snapshot(recordings, venue):
    (raw,) = [frame for frame in frames(recordings, venue) if "lastUpdateId" in frame]
    snapshot = next(event for event in events(recordings, venue) if isinstance(event, BookSnapshot))
    layer, book = Liquidity.new(EngineConfig()), Book.new(5000)
    book.replace(snapshot)
    layer.on_book(book, snapshot)
    facts = layer.read(snapshot.event_ns).facts
    mid = (Decimal(raw["bids"][0][0]) + Decimal(raw["asks"][0][0])) / 2
    known = 0
    for step in (5, 10, 25, 50, 100):
        for name, rows, sign in (("up", raw["asks"], 1), ("down", raw["bids"], -1)):
            limit = mid + sign * mid * step / 10_000
            within = [Decimal(p) * Decimal(q) for p, q in rows if (limit - Decimal(p)) * sign >= 0]
            if (Decimal(rows[899][0]) - limit) * sign >= 0:
                assert facts[f"cost_{name}_{step}bp_quote"] == pytest.approx(float(sum(within)), rel=1e-9)
                known += 1
            else:
                assert facts[f"cost_{name}_{step}bp_quote"] is None
    assert known >= 4
    assert facts["cost_up_100bp_quote"] is None, "a thousand levels do not reach one percent"


@pytest.mark.parametrize("venue", SESSIONS)
def test_a_whole_session_is_bounded_and_its_depth_that_of_a_dictionary(recordings, venue):
    layer, book = Liquidity.new(EngineConfig()), Book.new(20_000)
    sides: tuple[dict[float, float], dict[float, float]] = ({}, {})
    spoken = compared = 0
    read_ns = 0
    for event in events(recordings, venue):
        if isinstance(event, Trade):
            layer.on_trade(event)
            continue
        if isinstance(event, BookSnapshot):
            book.replace(event)
            sides = (dict(event.bids), dict(event.asks))
        else:
            assert book.change(event)
            for side, rows in zip(sides, (event.bids, event.asks), strict=True):
                side.update(rows)
        layer.on_book(book, event)
        if layer.sampled_ns != event.event_ns or event.event_ns < read_ns + 5 * SECOND_NS:
            continue
        read_ns = event.event_ns
        opinion = layer.read(read_ns)
        assert -0.5 <= opinion.score <= 0.5
        assert 0 <= opinion.confidence <= 1
        assert all(not isinstance(fact, float) or math.isfinite(fact) for fact in opinion.facts.values())
        assert all(mark.known_ns <= read_ns for mark in opinion.marks)
        spoken += opinion.confidence > 0
        cells, first = layer.asks.cells, layer.asks.first
        for at in (2, 3, 5, 10):
            low, high = (first + at) * 20, (first + at + 1) * 20
            there = math.fsum(size for price, size in sides[1].items() if low <= price < high)
            assert cells[at].depth == pytest.approx(there, rel=1e-9, abs=1e-12)
            compared += 1
    assert spoken > 50
    assert compared > 200
