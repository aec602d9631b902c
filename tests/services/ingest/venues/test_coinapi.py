"""CoinAPI's REST answers, its catalogue and its addresses; values by hand."""

import json
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import Origin, Side, Source, Timeframe
from libs.common.events.symbols import spot
from services.ingest.recording.names import coinapi
from services.ingest.venues import VENUES, Coinapi
from services.ingest.venues.moments import moment, moment_ns
from services.ingest.venues.terms import AnswerError, Header, Instrument, Stream

SECOND = 1_000_000_000
BTC = Instrument(
    symbol="BTC-USD", native="COINBASE_SPOT_BTC_USD", kind=spot("BTC", "USD"), tick=0.01, lot=1e-8, contract_size=1.0
)
VENUE = Coinapi(api_key="S3CRET", ws_url="ws://127.0.0.1:1/", rest_url="http://127.0.0.1:2/")


def listing(**fields):
    row = {
        "symbol_id": "COINBASE_SPOT_BTC_USD",
        "exchange_id": "COINBASE",
        "symbol_type": "SPOT",
        "asset_id_base": "BTC",
        "asset_id_quote": "USD",
        "price_precision": 0.01,
        "size_precision": 1e-8,
        "contract_unit": None,
        "volume_1day_usd": 1e9,
    }
    return row | fields


def listed(*rows, exchange="COINBASE"):
    return Coinapi(exchange=exchange).instruments([json.dumps(rows).encode()])


def test_the_catalogue_names_spot_pairs() -> None:
    found = listed(listing(), listing(symbol_id="KRAKEN_SPOT_BTC_USD", exchange_id="KRAKEN"))
    assert found == {"COINBASE_SPOT_BTC_USD": BTC}
    assert len(listed(listing(), listing(symbol_id="K", exchange_id="KRAKEN"), exchange="")) == 2


def test_contracts_are_taken_where_their_size_in_base_units_is_known() -> None:
    perpetual = {"symbol_type": "PERPETUAL", "asset_id_base": "ETH", "asset_id_quote": "USDT", "size_precision": 1}
    future = {"symbol_type": "FUTURES", "asset_id_base": "ETH", "asset_id_quote": "USDT"}
    due = {"future_delivery_time": "2026-12-25T08:00:00.0000000Z"}
    found = listed(
        listing(symbol_id="A", **perpetual, contract_unit=0.1, contract_unit_asset="ETH"),
        listing(symbol_id="B", **perpetual),  # nobody knows its size
        listing(symbol_id="C", **perpetual, contract_unit=10, contract_unit_asset="USD"),  # counted in dollars
        listing(symbol_id="D", **future, **due, future_contract_unit=1, future_contract_unit_asset="ETH"),
        listing(symbol_id="E", **future, contract_unit=1, contract_unit_asset="ETH"),  # without its day
        listing(symbol_id="F", symbol_type="PERPETUAL", contract_unit=1, contract_unit_asset="BTC"),  # on dollars
    )
    assert {native: one.symbol for native, one in found.items()} == {"A": "ETH-USDT-PERP", "D": "ETH-USDT-20261225"}
    assert (found["A"].contract_size, found["A"].lot) == (0.1, 0.1)


def test_what_is_no_market_of_ours_is_left_out_and_steps_may_be_unknown() -> None:
    assert listed(listing(symbol_type="OPTION"), listing(symbol_type="INDEX"), listing(asset_id_base="a b"), 7) == {}
    (one,) = listed(listing(price_precision=None, size_precision=0)).values()
    assert math.isnan(one.tick)
    assert math.isnan(one.lot)


@pytest.mark.parametrize("body", [b"", b'{"error":"Invalid API key"}', b"[", b"\xff"])
def test_an_answer_that_is_none_is_an_error(body) -> None:
    for read in (
        lambda: VENUE.instruments([body]),
        lambda: VENUE.trades(BTC, "", body, 1, Origin.LIVE),
        lambda: VENUE.candles(BTC, Timeframe.M1, body, 1, Origin.LIVE),
    ):
        with pytest.raises(AnswerError, match="coinapi"):
            read()


def test_one_connection_hears_what_the_vendor_has_and_carries_the_key() -> None:
    (plan,) = VENUE.plan([BTC], tuple(Stream))
    assert plan.url == "ws://127.0.0.1:1/v1/"
    assert (plan.symbols, plan.streams) == (("BTC-USD",), (Stream.TRADES, Stream.BOOKS))
    assert plan.headers == (Header(name="X-CoinAPI-Key", value="S3CRET"),)
    assert VENUE.plan([BTC], (Stream.FUNDING,)) == []
    assert VENUE.session(plan, {}, Origin.LIVE).subscribe() == ()


def test_requests_carry_the_key_in_a_header_that_never_shows() -> None:
    requests = [
        *VENUE.instruments_requests(),
        VENUE.snapshot_request(BTC),
        VENUE.candles_request(BTC, Timeframe.H4, 9_999),
        VENUE.trades_request(BTC, "u1"),
        VENUE.trades_request_since(BTC, "u1", 1_790_299_746_065_618_000),
        VENUE.trades_request_since(BTC, "u1", moment_ns("2026-09-25T23:55:00Z")),
    ]
    assert [(one.url.removeprefix("http://127.0.0.1:2/v1/"), one.weight) for one in requests] == [
        ("symbols?filter_exchange_id=COINBASE", 1),
        ("orderbooks/COINBASE_SPOT_BTC_USD/current", 1),
        ("ohlcv/COINBASE_SPOT_BTC_USD/latest?period_id=4HRS&limit=1500", 15),
        ("trades/COINBASE_SPOT_BTC_USD/latest?limit=1000", 10),
        ("trades/COINBASE_SPOT_BTC_USD/history?time_start=2026-09-25T01%3A29%3A06.0656180Z&limit=1000", 10),
        ("trades/COINBASE_SPOT_BTC_USD/latest?limit=1000", 10),  # history ends at midnight
    ]
    assert all(one.headers[0].value == "S3CRET" for one in requests)
    assert "S3CRET" not in repr(requests)
    assert "X-CoinAPI-Key" in repr(requests)
    assert Coinapi().snapshot_request(BTC).headers == ()


def row(number: int, second: int, **fields):
    return {
        "symbol_id": BTC.native,
        "time_exchange": f"2026-09-23T09:09:{second:02}.0822750Z",
        "time_coinapi": "2026-09-23T09:09:00.2385208Z",
        "uuid": f"u{number}",
        "price": 85988.49,
        "size": 0.01,
        "taker_side": "BUY",
        "id_trade": str(number),
    } | fields


def page(*rows, after=""):
    return VENUE.trades(BTC, after, json.dumps(rows).encode(), 7, Origin.LIVE)


def test_a_page_of_trades_as_recorded() -> None:
    (event,) = page(row(1, 0, uuid="f84a79ad-ea86-4527-b1f1-e9d8bd7ed004"))
    assert (event.event_ns, event.received_ns) == (1_790_154_540_082_275_000, 7)  # 09:09:00 by `date -ud`
    assert (event.price, event.size, event.side) == (85988.49, 0.01, Side.BUY)
    assert (event.trade_id, event.venue) == ("f84a79ad-ea86-4527-b1f1-e9d8bd7ed004", "coinapi")


def test_a_page_follows_the_trade_it_holds_in_either_order() -> None:
    rows = [row(1, 1), row(2, 2), row(3, 2), row(4, 3, taker_side="UNKNOWN"), row(5, 4)]
    assert [one.trade_id for one in page(*rows, after="u2")] == ["u3", "u5"]
    assert [one.trade_id for one in page(*reversed(rows), after="u2")] == ["u3", "u5"]
    assert [one.trade_id for one in page(*rows, after="u3")] == ["u2", "u5"]  # of one moment: neither comes first
    assert page(*rows, after="u9") == []  # proves nothing about what follows u9
    assert page() == []


def test_ids_have_no_order() -> None:
    with pytest.raises(ValueError, match="no place"):
        VENUE.trade_order("f84a79ad-ea86-4527-b1f1-e9d8bd7ed004")


def bar(start: str, end: str, **fields):
    return {
        "time_period_start": f"2026-09-25T{start}.0000000Z",
        "time_period_end": f"2026-09-25T{end}.0000000Z",
        "time_open": f"2026-09-25T{start}.0173140Z",
        "price_open": 10.0,
        "price_high": 12.0,
        "price_low": 9.0,
        "price_close": 11.0,
        "volume_traded": 0.5,
        "trades_count": 5,
    } | fields


def candles(*bars, at: str):
    return VENUE.candles(BTC, Timeframe.M1, json.dumps(bars).encode(), moment_ns(at), Origin.LIVE)


def test_candles_come_newest_first_and_the_newest_is_open_until_it_settled() -> None:
    bars = [bar("01:31:00", "01:32:00"), bar("01:30:00", "01:31:00", volume_traded=0.25)]
    old, new = candles(*bars, at="2026-09-25T01:31:30Z")
    assert (old.open_ns, old.event_ns) == (moment_ns("2026-09-25T01:30:00Z"), moment_ns("2026-09-25T01:31:00Z"))
    assert (old.open, old.high, old.low, old.close, old.volume, old.trades) == (10, 12, 9, 11, 0.25, 5)
    assert (old.closed, old.source, old.taker_buy_volume) == (True, Source.REST, None)
    assert (new.closed, new.event_ns) == (False, moment_ns("2026-09-25T01:31:30Z"))
    assert [one.closed for one in candles(*bars, at="2026-09-25T01:32:05Z")] == [True, True]


def test_an_empty_bar_is_left_out_and_still_closes_the_one_before() -> None:
    empty = bar("01:31:00", "01:32:00", price_open=None, price_high=None, price_low=None, price_close=None)
    (one,) = candles(bar("01:30:00", "01:31:00"), empty, at="2026-09-25T01:31:01Z")
    assert one.closed


@pytest.mark.parametrize(("start", "end"), [("01:30:00", "01:30:01"), ("01:30:30", "01:31:30")])
def test_a_bar_off_the_grid_refuses_the_answer(start, end) -> None:
    with pytest.raises(AnswerError):
        candles(bar(start, end), at="2026-09-25T01:31:01Z")


def test_names_of_recordings() -> None:
    found = coinapi("BITSTAMP_SPOT_BTC_USD")
    assert found is not None
    assert found.symbol == "BTC-USD"
    assert coinapi("BINANCEFTS_PERP_BTC_USDT") is None
    assert coinapi("X_SPOT_a_B") is None


def test_options() -> None:
    assert VENUES["coinapi"] is Coinapi
    with pytest.raises(ValueError, match="one of book, book5"):
        Coinapi(book_channel="book7")  # type: ignore[arg-type]  # what a setting may say


@given(st.integers(978_307_200 * 10**7, 8_993_721_600 * 10**7 - 1))
def test_times_survive_in_tenths_of_microseconds(ticks: int) -> None:
    assert moment_ns(moment(ticks * 100)) == ticks * 100


@pytest.mark.parametrize(
    ("text", "at_ns"),
    [
        ("2026-09-25T01:29:06.0656180Z", 1_790_299_746_065_618_000),
        ("2026-09-25T01:29:06Z", 1_790_299_746_000_000_000),
        ("2026-09-25T01:29:06.123456789Z", 1_790_299_746_123_456_789),
        ("2024-02-29T23:59:59.9999999Z", 1_709_251_199_999_999_900),
    ],
)
def test_times_are_exact(text: str, at_ns: int) -> None:
    assert moment_ns(text) == at_ns  # seconds by `date -ud <text> +%s`


def test_a_day_that_is_none_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="no time"):
        moment_ns("2023-02-29T00:00:00Z")
    with pytest.raises(msgspec.ValidationError, match="between"):
        moment_ns("2255-01-01T00:00:00Z")
