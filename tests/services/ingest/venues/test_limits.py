"""Any number of instruments of any name over the connections of a venue: within its documented limits, each once."""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.events import Origin
from libs.common.events.symbols import Symbol, perpetual, spot
from services.ingest.venues import VENUES
from services.ingest.venues.terms import Instrument, Plan, Stream
from services.ingest.venues.venue import Venue

ASKED = {"binance-coinm", "binance-spot", "binance-usdm", "bybit", "coinapi", "okx"}
BINANCE = {
    Stream.TRADES: "aggTrade",
    Stream.BOOKS: "depth@100ms",
    Stream.LIQUIDATIONS: "forceOrder",
    Stream.FUNDING: "markPrice@1s",
}
BYBIT = {
    Stream.TRADES: "publicTrade",
    Stream.BOOKS: "orderbook.200",
    Stream.LIQUIDATIONS: "allLiquidation",
    Stream.FUNDING: "tickers",
}
SPOT_STREAMS = {Stream.TRADES, Stream.BOOKS}


def _instrument(kind: Symbol, native: str) -> Instrument:
    return Instrument(symbol=str(kind), native=native, kind=kind, tick=0.1, lot=0.1, inverse=kind.inverse)


def _listed(venue: str, base: str, number: int) -> Instrument:
    """The instrument of that base as the venue names it; markets of several kinds alternate where it has them."""
    linear, inverse, bought = perpetual(base, "USDT"), perpetual(base, "USD"), spot(base, "USDT")
    match venue:
        case "binance-usdm":
            return _instrument(linear, f"{base}USDT")
        case "binance-spot":
            return _instrument(bought, f"{base}USDT")
        case "binance-coinm":
            return _instrument(inverse, f"{base}USD_PERP")
        case "coinapi":
            return _instrument(bought, f"COINBASE_SPOT_{base}_USDT")
        case "okx":
            kinds = [(linear, f"{base}-USDT-SWAP"), (bought, f"{base}-USDT"), (inverse, f"{base}-USD-SWAP")]
        case _:
            kinds = [(linear, f"linear:{base}USDT"), (bought, f"spot:{base}USDT"), (inverse, f"inverse:{base}USD")]
    return _instrument(*kinds[number % 3])


def _bases(count: int, odd: Iterable[str]) -> list[str]:
    return list(dict.fromkeys([*odd, *(f"COIN{number}" for number in range(count))]))[:count]


def _said(venue: Venue, plan: Plan, instruments: dict[str, Instrument]) -> list[dict[str, Any]]:
    frames = venue.session(plan, instruments, Origin.LIVE).subscribe()
    assert all(len(frame) <= 64 * 1024 for frame in frames)
    return [json.loads(frame) for frame in frames]


def _binance(venue: Venue, plan: Plan, instruments: dict[str, Instrument]) -> list[str]:
    """1,024 streams a connection are documented, 200 by older pages of the futures; names are lower case."""
    assert plan.url.isascii()
    names = unquote(urlsplit(plan.url).query.removeprefix("streams=")).split("/")
    assert len(names) <= 200
    assert not _said(venue, plan, instruments)
    return names


def _okx(venue: Venue, plan: Plan, instruments: dict[str, Instrument]) -> list[str]:
    """64 KB a request, 480 subscriptions an hour and connection, fewer than 30 deep books a connection."""
    requests = _said(venue, plan, instruments)
    args = [arg for request in requests for arg in request["args"]]
    assert len(args) <= 480
    assert all(len(json.dumps(request).encode()) <= 64 * 1024 for request in requests)
    assert sum(arg["channel"] == "books" for arg in args) < 30
    assert len({request["id"] for request in requests}) == len(requests)
    return [f"{arg['channel']} {arg['instId']}" for arg in args if "instId" in arg]


def _bybit(venue: Venue, plan: Plan, instruments: dict[str, Instrument]) -> list[str]:
    """21,000 characters of arguments a connection, ten arguments a request on spot."""
    requests = _said(venue, plan, instruments)
    assert all(len(request["args"]) <= 10 for request in requests)
    args = [arg for request in requests for arg in request["args"]]
    assert len(json.dumps(args, ensure_ascii=False)) <= 21_000 + len(args) + 1  # its blanks and brackets do not count
    category = plan.url.rpartition("/")[2]
    return [f"{category} {arg}" for arg in args]


def _coinapi(venue: Venue, plan: Plan, instruments: dict[str, Instrument]) -> list[str]:
    (hello,) = _said(venue, plan, instruments)
    return [f"{kind} {name}" for kind in hello["subscribe_data_type"] for name in hello["subscribe_filter_symbol_id"]]


READERS: dict[str, Callable[[Venue, Plan, dict[str, Instrument]], list[str]]] = {
    "bybit": _bybit,
    "coinapi": _coinapi,
    "okx": _okx,
}


def _expected(venue: str, one: Instrument, stream: Stream) -> list[str]:
    """What must be asked for, in the vendor's documented words; nothing where the market has no such thing."""
    if one.kind.kind == "spot" and stream not in SPOT_STREAMS:
        return []
    if venue.startswith("binance"):
        return [f"{one.native.lower()}@{BINANCE[stream]}"]
    if venue == "bybit":
        category, _, name = one.native.partition(":")
        return [f"{category} {BYBIT[stream]}.{name}"]
    if venue == "coinapi":
        return [f"{ {'trades': 'trade', 'books': 'book'}[stream] } {one.native}$"]
    channels = {"trades": ["trades"], "books": ["books"], "funding": ["funding-rate", "mark-price"]}
    return [f"{channel} {one.native}" for channel in channels.get(stream, ())]  # liquidations come by kind


@pytest.mark.parametrize("name", sorted(ASKED))
@settings(max_examples=25)
@given(
    count=st.integers(1, 400),
    odd=st.lists(
        st.sampled_from(["币安人生", "1000SHIB", "Ä", "我踏马来了", "A.B", "MOG+X", "WIF$", "A&B", "Q?R#"]), max_size=9
    ),
    streams=st.sets(st.sampled_from(list(Stream)), min_size=1),
)
def test_plans_keep_the_limits_and_ask_for_each_thing_once(
    name: str, count: int, odd: list[str], streams: set[Stream]
) -> None:
    venue = VENUES[name]()
    listed = [_listed(name, base, number) for number, base in enumerate(_bases(count, odd))]
    instruments = {one.native: one for one in listed}
    wanted = tuple(stream for stream in Stream if stream in streams)
    plans = venue.plan(listed, wanted)
    pairs = Counter((symbol, stream) for plan in plans for symbol in plan.symbols for stream in plan.streams)
    assert set(pairs.values()) <= {1}
    read = READERS.get(name, _binance)
    asked = Counter(what for plan in plans for what in read(venue, plan, instruments))
    expected = Counter(what for one in listed for stream in wanted for what in _expected(name, one, stream))
    assert not expected - asked  # nothing is missing
    assert set(asked.values()) <= {1}  # nothing is asked for twice
    assert {what for what in asked if what not in expected} <= {what for what in asked if "open-interest" in what}
    if name == "coinapi":
        assert len(plans) <= 1  # plans with one connection only exist
