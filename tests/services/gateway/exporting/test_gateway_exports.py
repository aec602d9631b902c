"""Files against the lists of the same rows, in every format; and what a file may not be."""

import csv
import io
import json
from collections.abc import AsyncGenerator
from typing import cast

import polars as pl
import pytest

from libs.common.events import DAY_NS, Gap, Origin, Source
from services.gateway.exporting.datasets import DATASETS
from services.gateway.exporting.exporter import Exporter, Format
from services.gateway.exporting.rows import Selection
from services.gateway.problems import Problem
from tests.services.gateway import flowing

NOON = 1_723_118_400_000_000_000
BTC = "BTC-USDT-PERP"
DAY = {"from_ns": NOON - DAY_NS // 2, "to_ns": NOON + DAY_NS // 2}


@pytest.fixture
async def fetch(gateway):
    """The rows of a file, each a dictionary of Python values."""

    async def get(dataset, form="ndjson", **given):
        async with gateway.client() as client:
            answer = await client.get(f"/v1/exports/{dataset}", params={"format": form, **DAY, **given})
        assert answer.status_code == 200, answer.text
        return _read(dataset, form, answer.content)

    return get


def _read(dataset, form, content):
    if form == "parquet":
        return pl.read_parquet(io.BytesIO(content)).to_dicts()
    if form == "ndjson":
        return [json.loads(line) for line in content.splitlines()]
    found = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    columns = DATASETS[dataset].columns
    return [{name: _value(columns[name], text) for name, text in row.items()} for row in found]


def _value(kind, text):
    if text == "":
        return None
    return {"true": True, "false": False}[text] if kind is bool else kind(text)


@pytest.mark.parametrize("form", list(Format))
async def test_a_file_of_candles_is_the_list_of_them(gateway, ask, make, fetch, form):
    await gateway.fold(
        *(make.candle(NOON + n * make.MINUTE, close=100 + n / 3) for n in range(5)),
        make.candle(NOON + make.MINUTE, close=101.5, source=Source.REST),  # known twice: told once
        make.candle(NOON + 5 * make.MINUTE, closed=False),
        make.candle(NOON + 6 * make.MINUTE, complete=False),
        make.candle(NOON, symbol="ETH-USDT"),
    )
    listed = (await ask(f"/v1/markets/{BTC}/candles?timeframe=1m&limit=1000")).json()["data"]
    found = await fetch("candles", form, symbol=BTC, timeframe="1m")
    assert len(found) == len(listed) == 7
    shared = found[0].keys() & listed[0].keys()
    assert shared >= {"open_ns", "open", "high", "low", "close", "volume", "trades", "closed", "complete", "source"}
    assert [{name: row[name] for name in shared} for row in found] == [
        {name: row[name] for name in shared} for row in listed
    ]
    assert {(row["venue"], row["symbol"], row["timeframe"], row["origin"]) for row in found} == {
        ("okx", BTC, "1m", "simulated")
    }


@pytest.mark.parametrize("form", list(Format))
async def test_a_file_of_signals_is_the_list_of_them(gateway, ask, make, fetch, form):
    said = [make.signal(n, at=NOON + n * make.MINUTE) for n in range(1, 4)]
    await gateway.fold(make.trade(), *said, make.verdict(said[0]))
    listed = (await ask("/v1/signals?limit=100")).json()["data"]
    found = await fetch("signals", form)
    shared = found[0].keys() & listed[0].keys()
    assert shared >= {"signal_id", "as_of_ns", "direction", "label", "score", "probability", "decision", "judge"}
    assert [{name: row[name] for name in shared} for row in found] == [
        {name: row[name] for name in shared}
        for row in reversed(listed)  # a list begins with the newest
    ]
    plan = listed[0]["plan"]
    assert (found[-1]["stop"], found[-1]["target_3"]) == (plan["stop"], plan["targets"][2]["price"])


@pytest.mark.parametrize("form", list(Format))
async def test_files_of_flows_hold_what_was_said(gateway, make, fetch, form):
    await gateway.fold(make.trade(), *flowing.flows())
    for dataset, event, fields in (
        ("liquidations", flowing.liquidation(), ("event_ns", "price", "size", "liquidated")),
        ("funding", flowing.funding(), ("event_ns", "rate", "interval_s", "next_funding_ns")),
        ("marks", flowing.mark_price(), ("event_ns", "price", "index_price")),
        ("open_interest", flowing.open_interest(), ("event_ns", "contracts", "base", "notional")),
        ("metrics", flowing.metric(), ("name", "event_ns", "value", "cause")),
    ):
        (row,) = await fetch(dataset, form, symbol=event.symbol)
        assert {name: row[name] for name in fields} == {name: getattr(event, name) for name in fields}, dataset
        assert (row["venue"], row["symbol"], row["origin"]) == (event.venue, event.symbol, event.origin)


@pytest.mark.parametrize("form", list(Format))
async def test_a_file_without_rows_still_says_its_columns(gateway, make, form):
    await gateway.fold(make.trade())
    async with gateway.client() as client:
        for name, dataset in DATASETS.items():
            given = {"symbol": BTC} | ({"timeframe": "1m"} if dataset.timeframe else {})
            answer = await client.get(f"/v1/exports/{name}", params={"format": form, **DAY, **given})
            assert answer.status_code == 200, name
            columns = list(dataset.columns)
            if form is Format.PARQUET:
                assert pl.read_parquet(io.BytesIO(answer.content)).columns == columns
            else:
                assert answer.text == (",".join(columns) + "\r\n" if form is Format.CSV else "")


async def test_ranges_are_half_open_and_filters_filter(gateway, make, fetch):
    await gateway.fold(
        make.trade(),
        make.trade(venue="bybit"),
        *(make.candle(NOON + n * make.MINUTE, venue=venue) for n in range(3) for venue in ("okx", "bybit")),
    )
    given = {"symbol": BTC, "timeframe": "1m", "from_ns": NOON, "to_ns": NOON + 2 * make.MINUTE}
    both = await fetch("candles", **given)
    assert [(row["open_ns"], row["venue"]) for row in both] == [
        (NOON, "bybit"),
        (NOON, "okx"),
        (NOON + make.MINUTE, "bybit"),
        (NOON + make.MINUTE, "okx"),
    ]
    assert {row["venue"] for row in await fetch("candles", venue="okx", **given)} == {"okx"}
    assert await fetch("candles", origin="live", **given) == []


REFUSED = [
    ("candles?symbol=BTC-USDT-PERP&from_ns=0&to_ns=1", 400, "timeframe"),
    ("candles?timeframe=1m&from_ns=0&to_ns=1", 400, "symbol"),
    ("marks?symbol=BTC-USDT-PERP&timeframe=1m&from_ns=0&to_ns=1", 400, "timeframe"),
    ("marks?symbol=BTC-USDT-PERP&name=x&from_ns=0&to_ns=1", 400, "name"),
    ("signals?from_ns=2&to_ns=1", 400, "to_ns"),
    (f"signals?from_ns=0&to_ns={31 * DAY_NS + 1}", 400, "to_ns"),
    ("signals?from_ns=0", 400, "to_ns"),
    ("signals?from_ns=0&to_ns=1&format=xlsx", 400, "format"),
    ("nothing?from_ns=0&to_ns=1", 400, "dataset"),
    ("signals?symbol=NO-USDT&from_ns=0&to_ns=1", 404, "symbol"),
    ("candles?symbol=BTC-USDT-PERP&venue=mars&timeframe=1m&from_ns=0&to_ns=1", 404, "venue"),
]


async def test_what_no_file_can_be_made_of_is_refused(gateway, ask, make):
    await gateway.fold(make.trade())
    for path, status, field in REFUSED:
        answer = await ask(f"/v1/exports/{path}")
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (status, field), path


async def test_a_file_has_a_name_and_a_kind_and_is_not_kept_by_anybody(gateway, ask, make):
    await gateway.fold(make.trade())
    answer = await ask(f"/v1/exports/marks?symbol={BTC}&from_ns=5&to_ns=9")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == f'attachment; filename="marks-{BTC}-5-9.csv"'
    assert "no-store" in answer.headers["cache-control"]
    strange = await ask('/v1/exports/metrics?symbol=a"%0D%0AX-Evil:1&from_ns=5&to_ns=9')
    assert strange.headers.get("x-evil") is None
    assert '"' not in strange.headers["content-disposition"].split("=", 1)[1].strip('"')


async def _fill(gateway, rows):
    await gateway.store.pool.execute(
        "INSERT INTO gateway.liquidations SELECT 'okx', $1, 'live', n, n, n, 1.5, 'long' FROM generate_series(1, $2) n",
        BTC,
        rows,
    )


ALL = Selection(from_ns=0, to_ns=10_000, symbol=BTC)


async def test_two_files_are_made_at_a_time_and_then_others(gateway):
    await _fill(gateway, 6_000)
    exporter, dataset = Exporter(lambda: gateway.store.pool), DATASETS["liquidations"]
    begun = [await exporter.open(dataset, ALL, Format.CSV) for _ in range(2)]
    with pytest.raises(Problem, match="try again in a moment") as caught:
        await exporter.open(dataset, ALL, Format.CSV)
    assert (caught.value.status, caught.value.headers["Retry-After"]) == (429, "2")
    whole = b"".join([chunk async for chunk in begun[0].chunks])
    assert whole.count(b"\r\n") == 6_001
    third = await exporter.open(dataset, ALL, Format.PARQUET)
    made = pl.read_parquet(io.BytesIO(b"".join([chunk async for chunk in third.chunks])))
    assert made["price"].to_list() == list(range(1, 6_001))
    await cast("AsyncGenerator[bytes, None]", begun[1].chunks).aclose()
    assert [part async for part in (await exporter.open(dataset, ALL, Format.NDJSON)).chunks]


async def test_too_many_rows_are_refused_before_the_first_byte(gateway):
    await _fill(gateway, 11)
    exporter = Exporter(lambda: gateway.store.pool, most=10)
    with pytest.raises(Problem, match="more than 10 rows") as caught:
        await exporter.open(DATASETS["liquidations"], ALL, Format.PARQUET)
    assert caught.value.status == 400
    few = Selection(from_ns=0, to_ns=11, symbol=BTC)
    file = await exporter.open(DATASETS["liquidations"], few, Format.CSV)
    assert b"".join([chunk async for chunk in file.chunks]).count(b"\r\n") == 11


async def test_who_reads_slowly_is_cut_off_and_frees_the_store(gateway):
    await _fill(gateway, 6_000)
    exporter = Exporter(lambda: gateway.store.pool, within_s=0.2, at_once=1)
    file = await exporter.open(DATASETS["liquidations"], ALL, Format.CSV)
    pid = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'"
    while await gateway.store.pool.fetchval(pid):
        pass  # until the store has let go of it, though nobody reads
    with pytest.raises(Exception, match="closed"):
        async for _ in file.chunks:
            pass
    await exporter.open(DATASETS["liquidations"], ALL, Format.NDJSON)  # there is room again


async def test_a_file_sees_one_moment(gateway):
    await _fill(gateway, 5_000)
    file = await Exporter(lambda: gateway.store.pool).open(DATASETS["liquidations"], ALL, Format.NDJSON)
    await gateway.store.pool.execute("DELETE FROM gateway.liquidations WHERE event_ns > 4000")
    assert b"".join([chunk async for chunk in file.chunks]).count(b"\n") == 5_000


def test_every_dataset_stands_in_the_table_once_and_orders_its_rows_wholly():
    for name, dataset in DATASETS.items():
        assert dataset.name == name
        assert dataset.time in dataset.columns
        assert set(dataset.order) <= set(dataset.columns)
        assert set(dataset.columns.values()) <= {int, float, str, bool}


async def test_a_text_that_a_venue_said_is_no_formula_in_csv(gateway, make, fetch):
    hole = Gap(
        venue="okx", symbol=BTC, event_ns=NOON, received_ns=NOON, origin=Origin.SIMULATED, stream="trades",
        from_ns=NOON, to_ns=NOON + 5, cause='=HYPERLINK("https://evil.example","x")', recovered=False,
    )  # fmt: skip
    await gateway.fold(make.trade(), hole)
    (row,) = await fetch("gaps", "csv")
    assert row["cause"] == "'" + hole.cause
    (row,) = await fetch("gaps", "ndjson")
    assert row["cause"] == hole.cause
