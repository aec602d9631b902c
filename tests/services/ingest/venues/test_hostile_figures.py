"""Damaged answers about turnover, time and open interest: finite figures or an `AnswerError`, never anything else."""

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.events import Origin
from libs.common.events.symbols import parse
from services.ingest.venues import VENUES, BinanceCoinm, BinanceSpot, BinanceUsdm, Bybit, Coinapi, Okx
from services.ingest.venues.terms import AnswerError, Instrument
from services.ingest.venues.venue import Venue

_DAY: dict[str, Any] = {"symbol": "X", "volume": "1", "quoteVolume": "2", "lastPrice": "3"}
_TIME: dict[str, Any] = {"symbol": "X", "serverTime": 1499827319559, "openInterest": "5", "time": 1499827319559}
_OKX = {
    "code": "0",
    "msg": "",
    "data": [{"instId": "X", "last": "3", "vol24h": "1", "volCcy24h": "2", "ts": "1597026383085"}],
}
_BYBIT = {
    "retCode": 0,
    "result": {
        "category": "linear",
        "list": [{"symbol": "X", "turnover24h": "1", "volume24h": "2"}],
        "timeNano": "1688639403423213947",
    },
}
GOOD: list[tuple[Venue, list[Any]]] = [
    (BinanceUsdm(), [[_DAY], _TIME]),
    (BinanceSpot(), [[_DAY], _TIME]),
    (BinanceCoinm(), [[_DAY], _TIME]),
    (Okx(), [_OKX]),
    (Bybit(), [_BYBIT]),
    (Coinapi(), [[{"symbol_id": "X", "volume_1day": 1.5, "volume_1day_usd": 2.5, "price": 3.5}]]),
]
NATIVES = {"binance-coinm": "BTC-USD-PERP"}


def _listed(venue: Venue) -> dict[str, Instrument]:
    native = "linear:X" if venue.name == "bybit" else "X"
    symbol = NATIVES.get(venue.name, "BTC-USDT-PERP")
    kind = parse(symbol)
    one = Instrument(
        symbol=symbol, native=native, kind=kind, tick=0.1, lot=0.1, contract_size=100.0, inverse=kind.inverse
    )
    return {native: one}


_leaf = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(allow_nan=True),
    st.text(max_size=6),
    st.sampled_from(["NaN", "-Infinity", "1e308", "-0", "0", "-1", "9" * 25, "1e-300", ""]),
    st.just([]),
    st.just({}),
)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Any:
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from _paths(value[key], (*path, key))


def _with(value: Any, path: tuple[Any, ...], leaf: Any) -> Any:
    if not path:
        return leaf
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _with(value[path[0]], path[1:], leaf)
    return copy


def _figures(venue: Venue, body: bytes) -> list[float]:
    """Return every number that `body` leads to."""
    listed = _listed(venue)
    found: list[float] = []
    for read in (
        lambda: list(venue.turnover([body], listed).values()),
        lambda: [venue.clock_ns(body)],
        lambda: [
            figure
            for one in listed.values()
            if (said := venue.open_interest(one, body, 1, Origin.LIVE))
            for figure in (said.contracts, said.base, said.notional, said.event_ns)
            if figure is not None
        ],
    ):
        try:
            found += read()
        except AnswerError:
            continue
    return found


def test_these_are_all_who_say_figures_here() -> None:
    assert {venue.name for venue, _ in GOOD} <= set(VENUES)


@pytest.mark.parametrize(("venue", "answers"), GOOD, ids=[venue.name for venue, _ in GOOD])
def test_good_answers_say_figures(venue: Venue, answers: list[Any]) -> None:
    for answer in answers:
        assert _figures(venue, json.dumps(answer).encode())


@pytest.mark.parametrize(("venue", "answers"), GOOD, ids=[venue.name for venue, _ in GOOD])
@settings(max_examples=150)
@given(data=st.data())
def test_damaged_answers_say_finite_figures_or_none(venue: Venue, answers: list[Any], data: st.DataObject) -> None:
    answer = data.draw(st.sampled_from(answers))
    body = json.dumps(_with(answer, data.draw(st.sampled_from(list(_paths(answer)))), data.draw(_leaf))).encode()
    cut = data.draw(st.integers(0, len(body)))
    for one in (body, body[:cut], body[cut:] + body[:cut]):
        assert all(math.isfinite(figure) and figure >= 0 for figure in _figures(venue, one))
