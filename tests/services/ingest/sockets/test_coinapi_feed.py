"""CoinAPI over loopback: the key goes where it belongs and nowhere else; a hole ends in the whole tape."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import InvalidStatus

from libs.common.events import BookSnapshot, Gap, Trade
from libs.common.events.symbols import spot
from libs.common.runtime.errors import ConfigurationError
from libs.common.runtime.settings import load
from services.ingest.calls.rest import Rest, RestError
from services.ingest.settings import Settings
from services.ingest.sockets.dial import dial
from services.ingest.sockets.timers import Timers
from services.ingest.venues import Coinapi
from services.ingest.venues.terms import Header, Instrument, Request, Stream

KEY = "S3CRET-0123"
BTC = Instrument(symbol="BTC-USD", native="COINBASE_SPOT_BTC_USD", kind=spot("BTC", "USD"), tick=0.01, lot=1e-8)


class Vendor:
    """The vendor's socket and REST side: keeps who came with which key."""

    def __init__(self) -> None:
        self.keys: list[str | None] = []
        self.hellos: list[Any] = []
        self.open: list[ServerConnection] = []
        self.tape: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.url = ""

    async def handle(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        self.keys.append(connection.request.headers.get("X-CoinAPI-Key"))
        self.hellos.append(json.loads(await connection.recv()))
        self.open.append(connection)
        await connection.wait_closed()
        self.open.remove(connection)

    def happens(self, number: int, taker_side: str = "BUY") -> dict[str, Any]:
        """A trade of the exchange; whoever listens may hear of it."""
        said = {
            "time_exchange": f"2026-09-25T01:29:{number:02}.0000000Z",
            "uuid": f"u{number}",
            "price": 100.0,
            "size": 1.0,
            "taker_side": taker_side,
        }
        self.tape.append(said)
        return said

    async def tell(self, number: int, sequence: int, taker_side: str = "BUY") -> None:
        said = self.happens(number, taker_side)
        await self.say({"type": "trade", "symbol_id": BTC.native, "sequence": sequence, **said})

    async def say(self, *messages: dict[str, Any]) -> None:
        for message in messages:
            await self.open[-1].send(json.dumps(message))

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(f"{request.url.path} {request.headers.get('X-CoinAPI-Key')}")
        since = request.url.params["time_start"]
        return httpx.Response(200, json=[one for one in self.tape if one["time_exchange"] >= since])


def _said(caplog: pytest.LogCaptureFixture) -> str:
    """Everything that was logged at any level, but by the vendor's side."""
    told = [record for record in caplog.records if record.name != "websockets.server"]
    return "".join(f"{record.getMessage()} {record.__dict__}" for record in told)


def book(sequence: int, *, whole: bool) -> dict[str, Any]:
    return {
        "type": "book",
        "symbol_id": BTC.native,
        "sequence": sequence,
        "time_exchange": "2026-09-25T01:29:00.0000000Z",
        "is_snapshot": whole,
        "bids": [{"price": 99.0, "size": 1}],
        "asks": [{"price": 101.0, "size": 1}],
    }


@pytest.fixture
async def vendor() -> AsyncIterator[Vendor]:
    made = Vendor()
    async with serve(made.handle, "127.0.0.1", 0, close_timeout=0.2) as running:
        made.url = f"ws://127.0.0.1:{next(iter(running.sockets)).getsockname()[1]}"
        yield made


@pytest.fixture
async def fed(vendor: Vendor, listening) -> AsyncIterator[Any]:
    """What the broker has of a line that listens to the vendor."""
    venue = Coinapi(ws_url=vendor.url, rest_url="http://rest", api_key=KEY)
    async with listening(venue, [BTC], vendor.answer, Timers(close_s=0.2, first_data_s=0.3)) as broker:
        yield broker


async def test_a_hole_in_the_book_makes_a_new_connection_and_missed_trades_are_fetched_by_time(
    vendor: Vendor, fed, tiny, caplog
) -> None:
    caplog.set_level(logging.DEBUG)
    await tiny.until(lambda: vendor.open)
    await vendor.say({"type": "hearbeat"}, book(1, whole=True))
    await vendor.tell(1, sequence=500)
    vendor.happens(2)  # counted by the vendor, lost on the way
    await vendor.tell(3, sequence=502)
    await tiny.until(lambda: [one.trade_id for one in fed.of(Trade)] == ["u1", "u2", "u3"])
    first = vendor.open[-1]
    await vendor.say(book(3, whole=False))
    await tiny.until(lambda: vendor.open and vendor.open[-1] is not first)
    vendor.happens(4)  # while nobody listened
    await vendor.say(book(9, whole=True))
    await vendor.tell(5, sequence=1)
    await tiny.until(lambda: [one.trade_id for one in fed.of(Trade)] == ["u1", "u2", "u3", "u4", "u5"])
    await tiny.until(lambda: len(fed.of(BookSnapshot)) == 2 and any(gap.recovered for gap in fed.of(Gap)))
    await vendor.say({"type": "error", "message": f"Invalid API key {KEY}"})
    await tiny.until(lambda: fed.rejects)
    assert vendor.keys == [KEY, KEY]
    assert "the venue refuses something" in caplog.text
    assert vendor.hellos[0]["subscribe_filter_symbol_id"] == ["COINBASE_SPOT_BTC_USD$"]
    assert set(vendor.asked) == {f"/v1/trades/COINBASE_SPOT_BTC_USD/history {KEY}"}
    assert {gap.stream for gap in fed.of(Gap) if not gap.recovered} == {"trades", "books"}
    assert KEY not in repr(fed.rejects)
    assert KEY not in _said(caplog)


async def test_trades_without_a_side_are_seen_on_the_metrics_and_nowhere_else(vendor: Vendor, fed, tiny) -> None:
    def counted() -> float:
        return REGISTRY.get_sample_value("csx_ingest_checks_total", {"venue": "coinapi", "check": "unsided"}) or 0

    before = counted()
    await tiny.until(lambda: vendor.open)
    for sequence, side in enumerate(("UNKNOWN", "BUY_ESTIMATED", "SELL_ESTIMATED", "SELL"), start=1):
        await vendor.tell(sequence, sequence, side)
    await tiny.until(lambda: fed.of(Trade))
    await vendor.open[-1].close()
    await tiny.until(lambda: counted() == before + 3)
    assert [one.trade_id for one in fed.of(Trade)] == ["u4"]


async def test_a_vendor_that_tells_no_sides_is_not_taken_for_silent(vendor: Vendor, fed, tiny) -> None:
    """The line's first-data timer is 0.3 s here."""
    await tiny.until(lambda: vendor.open)
    first = vendor.open[-1]
    await vendor.say(book(1, whole=True))
    await vendor.tell(1, 1, "UNKNOWN")
    began = asyncio.get_running_loop().time()
    await tiny.until(lambda: asyncio.get_running_loop().time() - began > 0.6)
    assert vendor.open == [first]


async def test_the_key_stays_out_of_the_librarys_log_and_follows_no_redirect(vendor: Vendor, caplog) -> None:
    caplog.set_level(logging.DEBUG)
    headers = (Header(name="X-CoinAPI-Key", value=KEY),)

    def away(connection: ServerConnection, request: Any) -> Any:
        response = connection.respond(302, "")
        response.headers["Location"] = vendor.url
        return response

    async with serve(vendor.handle, "127.0.0.1", 0, process_request=away) as running:
        url = f"ws://127.0.0.1:{next(iter(running.sockets)).getsockname()[1]}"
        with pytest.raises(InvalidStatus, match="302"):
            async with dial(url, Timers(), headers):
                raise AssertionError("it was open")
        async with dial(url, Timers()) as connection:  # without a key there is nothing to lose
            await connection.send("{}")
    assert vendor.keys == [None]
    assert KEY not in _said(caplog)


async def test_a_refusal_that_repeats_the_key_is_told_without_it(caplog) -> None:
    caplog.set_level(logging.DEBUG)
    client = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(401, text=f"bad key {KEY}")))
    rest = Rest("coinapi", client)
    with pytest.raises(RestError, match=r"HTTP 401: bad key \*\*\*"):
        await rest.fetch(Request(url="http://rest/x", headers=(Header(name="X-CoinAPI-Key", value=KEY),)))
    await client.aclose()
    assert KEY not in caplog.text


def _load(monkeypatch, **environ: str) -> Settings:
    for name, value in environ.items():
        monkeypatch.setenv(f"CSX_INGEST_{name}", value)
    return load(Settings)


def test_the_key_is_needed_and_hidden(monkeypatch) -> None:
    with pytest.raises(
        ConfigurationError, match=r"CSX_INGEST_API_KEY: .*coinapi gives nothing without a key"
    ) as raised:
        _load(monkeypatch, VENUE="coinapi")
    assert raised.value.exit_code == 3
    assert "\n" not in str(raised.value)
    settings = _load(monkeypatch, API_KEY=KEY, EXCHANGE="BITSTAMP", BOOK_CHANNEL="book20")
    assert settings.venue_options() == {"api_key": KEY, "exchange": "BITSTAMP", "book_channel": "book20"}
    assert KEY not in repr(settings)
    assert KEY not in repr(Coinapi(**settings.venue_options()).plan([BTC], tuple(Stream)))


def test_a_key_for_another_venue_goes_nowhere_and_a_choice_it_lacks_is_refused(monkeypatch) -> None:
    assert _load(monkeypatch, VENUE="okx", API_KEY=KEY).venue_options() == {}
    with pytest.raises(ConfigurationError, match=r"CSX_INGEST_EXCHANGE: .*okx has no such choice"):
        _load(monkeypatch, EXCHANGE="COINBASE")


@pytest.mark.parametrize(("name", "value"), [("API_KEY", f"{KEY}\n"), ("API_KEY", "schlüssel"), ("BOOK_CHANNEL", "l3")])
def test_a_value_that_cannot_work_is_refused_without_being_told(monkeypatch, name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"CSX_INGEST_{name}") as raised:
        _load(monkeypatch, **{"VENUE": "coinapi", "API_KEY": KEY, name: value})
    assert value.strip() not in str(raised.value)
