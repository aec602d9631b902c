"""Listings with names of any script, from the catalogue to a record's key; names that cannot be written are told.

币安人生 (of Binance, October 2025) is a real one; the vendors' rows are those of their documentation.
"""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from libs.common.bus.codec import decode, encode
from libs.common.bus.topics import key_of, partition_key
from libs.common.events import Origin, Trade
from libs.common.events.symbols import parse
from libs.common.runtime.settings import load
from services.ingest.settings import Settings
from services.ingest.venues import VENUES
from services.ingest.venues.terms import Stream

WRITABLE = ["币安人生", "1000SHIB", "Ä", "A.B", "$WIF", "1MBABYDOGE"]
UNWRITABLE = ["kPEPE", "A-B", "A B", "A|B", "A,B", "A\u202eB", ""]
STEPS = [
    {"filterType": "PRICE_FILTER", "tickSize": "0.10"},
    {"filterType": "LOT_SIZE", "stepSize": "0.001"},
]


def _binance(native: str, base: str, quote: str, **more: Any) -> dict[str, Any]:
    return {"symbol": native, "status": "TRADING", "baseAsset": base, "quoteAsset": quote, "filters": STEPS} | more


def _okx(native: str, base: str) -> dict[str, Any]:
    spot = {"instType": "SPOT", "instId": native, "baseCcy": base, "quoteCcy": "USDT", "state": "live"}
    return spot | {"tickSz": "0.1", "lotSz": "0.1", "ctVal": "", "ctMult": "", "ctType": "", "settleCcy": ""}


def _bybit(native: str, base: str) -> dict[str, Any]:
    named = {"symbol": native.partition(":")[2], "baseCoin": base, "quoteCoin": "USDT", "settleCoin": "USDT"}
    steps = {"priceFilter": {"tickSize": "0.10"}, "lotSizeFilter": {"qtyStep": "0.001"}}
    return (
        {"contractType": "LinearPerpetual", "status": "Trading", "deliveryTime": "0", "symbolType": ""} | named | steps
    )


def _coinapi(native: str, base: str) -> dict[str, Any]:
    named = {"symbol_id": native, "exchange_id": "COINBASE", "symbol_type": "SPOT", "asset_id_base": base}
    return named | {"asset_id_quote": "USDT", "price_precision": 0.01, "size_precision": 0.1, "contract_unit": None}


def _agg_trade(native: str) -> dict[str, Any]:
    trade = {"e": "aggTrade", "E": 1787492348372, "a": 7, "s": native, "p": "2.5", "q": "4", "f": 1, "l": 9}
    return {"stream": f"{native.lower()}@aggTrade", "data": trade | {"T": 1787492348362, "m": True}}


def _okx_trade(native: str) -> dict[str, Any]:
    row = {
        "instId": native,
        "tradeId": "7",
        "px": "2.5",
        "sz": "4",
        "side": "sell",
        "ts": "1787492348362",
        "count": "1",
    }
    return {"arg": {"channel": "trades", "instId": native}, "data": [row]}


def _bybit_trade(native: str) -> dict[str, Any]:
    name = native.partition(":")[2]
    row = {"T": 1787492348362, "s": name, "S": "Sell", "v": "4", "p": "2.5", "L": "PlusTick", "i": "7", "BT": False}
    return {"topic": f"publicTrade.{name}", "type": "snapshot", "ts": 1787492348362, "data": [row]}


def _coinapi_trade(native: str) -> dict[str, Any]:
    times = {"time_exchange": "2026-08-23T10:19:08.3620000Z", "time_coinapi": "2026-08-23T10:19:08.3630000Z"}
    trade = {
        "type": "trade",
        "symbol_id": native,
        "sequence": 1,
        "uuid": "7",
        "price": 2.5,
        "size": 4,
        "taker_side": "SELL",
    }
    return trade | times


Case = tuple[str, str, str, Callable[[str, str], Any], Callable[[list[Any]], Any], Callable[[str], Any]]
CASES: list[Case] = [
    (
        "binance-usdm",
        "{}USDT",
        "{}-USDT-PERP",
        lambda native, base: _binance(native, base, "USDT", contractType="PERPETUAL"),
        lambda rows: {"symbols": rows},
        _agg_trade,
    ),
    (
        "binance-spot",
        "{}USDT",
        "{}-USDT",
        lambda native, base: _binance(native, base, "USDT"),
        lambda rows: {"symbols": rows},
        _agg_trade,
    ),
    (
        "binance-coinm",
        "{}USD_PERP",
        "{}-USD-PERP",
        lambda native, base: _binance(native, base, "USD", contractType="PERPETUAL", contractSize=10),
        lambda rows: {"symbols": rows},
        _agg_trade,
    ),
    ("okx", "{}-USDT", "{}-USDT", _okx, lambda rows: {"code": "0", "data": rows}, _okx_trade),
    (
        "bybit",
        "linear:{}USDT",
        "{}-USDT-PERP",
        _bybit,
        lambda rows: {"retCode": 0, "retMsg": "OK", "result": {"category": "linear", "list": rows}},
        _bybit_trade,
    ),
    ("coinapi", "COINBASE_SPOT_{}_USDT", "{}-USDT", _coinapi, lambda rows: rows, _coinapi_trade),
]


@pytest.mark.parametrize(("name", "native", "symbol", "row", "answer", "frame"), CASES, ids=[case[0] for case in CASES])
def test_an_odd_name_goes_all_the_way(
    monkeypatch,
    name: str,
    native: str,
    symbol: str,
    row: Callable[[str, str], Any],
    answer: Callable[[list[Any]], Any],
    frame: Callable[[str], Any],
) -> None:
    venue = VENUES[name]()
    body = json.dumps(answer([row(native.format(base), base) for base in (*WRITABLE, *UNWRITABLE)])).encode()
    unnamed: list[str] = []
    found = venue.instruments([body], unnamed.append)
    assert {one.native: one.symbol for one in found.values()} == {
        native.format(base): symbol.format(base) for base in WRITABLE
    }
    assert all(parse(one.symbol) == one.kind for one in found.values())
    assert len(unnamed) >= len(UNWRITABLE) - 1  # an empty name may count as a row without one
    plans = venue.plan(list(found.values()), tuple(Stream))
    assert {one for plan in plans for one in plan.symbols} == {symbol.format(base) for base in WRITABLE}
    assert all(plan.url.isascii() for plan in plans)
    asked = b""
    for plan in plans:
        session = venue.session(plan, found, Origin.LIVE)
        asked += unquote(urlsplit(plan.url).query).encode() + b"".join(session.subscribe())
    trading = next(plan for plan in plans if Stream.TRADES in plan.streams)
    session = venue.session(trading, found, Origin.LIVE)
    for base in WRITABLE:
        written = native.format(base).partition(":")[2] or native.format(base)
        spoken = written.lower() if name.startswith("binance") else written
        assert spoken.encode() in asked or json.dumps(spoken).encode()[1:-1] in asked
        (trade,) = [
            item
            for item in session.receive(json.dumps(frame(native.format(base))).encode(), 1787492348400000000)
            if isinstance(item, Trade)
        ]
        assert (trade.symbol, trade.price, trade.trade_id) == (symbol.format(base), 2.5, "7")
        assert partition_key(key_of(trade)).decode() == symbol.format(base)
        assert decode(encode(trade)) == trade
        one = found[native.format(base)]
        for request in (venue.trades_request(one, ""), venue.snapshot_request(one)):
            assert request.url.isascii()
            assert written in unquote(request.url)
    monkeypatch.setenv("CSX_INGEST_SYMBOLS", ",".join(symbol.format(base) for base in WRITABLE))
    assert load(Settings).symbols == tuple(symbol.format(base) for base in WRITABLE)
