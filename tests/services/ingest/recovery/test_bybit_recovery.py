"""Bybit's trades through recovery: only a page that joins both ends fills a hole; any other hole stays and is said."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from libs.common.events import Gap, Origin, Side, Trade
from libs.common.events.symbols import parse
from libs.common.runtime.backoff import Backoff
from services.ingest.delivery.buffer import Buffer
from services.ingest.listings.catalogue import PAGES, listed
from services.ingest.recovery.backfill import Limits
from services.ingest.recovery.gaps import Gaps
from services.ingest.recovery.recovery import Recovery
from services.ingest.venues import Bybit
from services.ingest.venues.terms import AnswerError, Instrument

SYMBOL = "BTC-USDT-PERP"
START_MS = 1_786_310_819_680
QUICK = Limits(grace_s=0.01, empty_pages=3, empty_wait_s=0.01)


def _id(number: int) -> str:
    return f"a9188a0a-82bc-50de-be60-{number * 7919 % 10**6:012d}"


def _trade(number: int) -> Trade:
    return Trade(
        venue="bybit",
        symbol=SYMBOL,
        event_ns=(START_MS + number) * 10**6,
        received_ns=1,
        price=100.0,
        size=1.0,
        side=Side.BUY,
        trade_id=_id(number),
    )


class Desk:
    """A recovery whose venue answers with its `limit` newest trades up to `newest`, and a reader of its buffer."""

    def __init__(self, rest_of) -> None:
        self.newest, self.limit = 0, 1000
        self.script: list[int] = []
        self.unfilled: list[tuple[str, int, int]] = []
        self.buffer = Buffer(500)
        kind = parse(SYMBOL)
        instrument = Instrument(symbol=SYMBOL, native="linear:BTCUSDT", kind=kind, tick=0.1, lot=0.001)
        self.recovery = Recovery(
            Bybit(rest_url="http://rest"),
            {SYMBOL: instrument},
            rest_of(self.answer, backoff=Backoff(initial_s=0.001, cap_s=0.002)),
            self.buffer,
            Gaps("bybit", Origin.LIVE, self.buffer),
            limits=QUICK,
            unfilled=lambda *hole: self.unfilled.append(hole),
        )
        self.out: list[Any] = []
        self.reading = asyncio.create_task(self.read())

    def answer(self, path: str) -> Any:
        assert path == "v5/market/recent-trade?category=linear&symbol=BTCUSDT&limit=1000"
        self.newest = self.script.pop(0) if self.script else self.newest
        rows = [
            {"execId": _id(number), "price": "100", "size": "1", "side": "Buy", "time": str(START_MS + number)}
            for number in range(self.newest, max(self.newest - self.limit, -1), -1)
        ]
        return {"retCode": 0, "retMsg": "OK", "result": {"category": "linear", "list": rows}}

    async def read(self) -> None:
        while batch := await self.buffer.take(100):
            self.out += batch

    async def offer(self, *numbers: int) -> None:
        for number in numbers:
            await self.recovery.offer(_trade(number))

    @property
    def numbers(self) -> list[int]:
        return [one.event_ns // 10**6 - START_MS for one in self.out if isinstance(one, Trade)]

    @property
    def gaps(self) -> list[Gap]:
        return [one for one in self.out if isinstance(one, Gap)]


@pytest.fixture
async def desk(rest_of) -> AsyncIterator[Desk]:
    desk = Desk(rest_of)
    yield desk
    await desk.recovery.stop()
    desk.buffer.close()
    await desk.reading


async def test_a_lost_connection_is_filled_by_the_newest_trades(desk, tiny) -> None:
    await desk.offer(0, 1, 2)
    await desk.recovery.interrupted(SYMBOL, "disconnect")
    desk.newest = 12
    await desk.offer(10, 11, 12, 13)
    await tiny.until(lambda: len(desk.gaps) == 2)
    assert desk.numbers == list(range(14))
    opened, closed = desk.gaps
    assert (opened.cause, opened.recovered, opened.first_missing) == ("disconnect", False, None)
    assert (closed.recovered, closed.from_ns, closed.to_ns) == (True, _trade(2).event_ns, _trade(10).event_ns)
    assert desk.unfilled == []


async def test_rest_that_lags_behind_the_socket_is_asked_again(desk, tiny) -> None:
    await desk.offer(0, 1)
    await desk.recovery.interrupted(SYMBOL, "disconnect")
    desk.script = [0, 3, 3, 5]  # at first it does not even know the last trade that was published
    await desk.offer(5)
    await tiny.until(lambda: len(desk.numbers) == 6)
    assert desk.numbers == [0, 1, 2, 3, 4, 5]
    await tiny.until(lambda: desk.gaps[-1].recovered)


async def test_a_hole_longer_than_the_venue_shows_stays_and_is_said(desk, tiny) -> None:
    await desk.offer(0, 1)
    await desk.recovery.interrupted(SYMBOL, "disconnect")
    desk.newest, desk.limit = 50, 10
    await desk.offer(50, 51)
    await tiny.until(lambda: len(desk.gaps) == 2)
    await tiny.until(lambda: len(desk.numbers) == 4)
    assert desk.numbers == [0, 1, 50, 51]
    last = desk.gaps[-1]
    assert (last.recovered, last.cause) == (False, "backfill")
    assert desk.unfilled == [(SYMBOL, _trade(1).event_ns, _trade(50).event_ns)]
    await desk.offer(52)
    await tiny.until(lambda: desk.numbers[-1] == 52)


async def test_a_restart_goes_on_behind_the_last_trade_published(desk, tiny) -> None:
    desk.recovery.resume(SYMBOL, _id(3), _trade(3).event_ns)
    desk.newest = 6
    await desk.offer(6)
    await tiny.until(lambda: len(desk.numbers) == 3)
    assert desk.numbers == [4, 5, 6]


def _pages(answer: Callable[[str], dict[str, Any]]) -> Callable[[str], dict[str, Any]]:
    def of(path: str) -> dict[str, Any]:
        return {"retCode": 0, "retMsg": "", "result": answer(path)}

    return of


def _listing(name: str) -> dict[str, Any]:
    return {
        "symbol": f"{name}USDT",
        "status": "Trading",
        "baseCoin": name,
        "quoteCoin": "USDT",
        "contractType": "LinearPerpetual",
        "priceFilter": {"tickSize": "0.1"},
        "lotSizeFilter": {"qtyStep": "0.001", "basePrecision": "0.001"},
    }


async def test_every_page_of_the_catalogue_is_read(rest_of) -> None:
    def answer(path: str) -> dict[str, Any]:
        category = path.partition("category=")[2].partition("&")[0]
        if category != "linear":
            return {"category": category, "list": []}
        number = int(path.partition("cursor=")[2] or "0")
        following = str(number + 1) if number < 2 else ""
        return {"category": "linear", "list": [_listing(f"C{number}")], "nextPageCursor": following}

    found = await listed(Bybit(rest_url="http://rest"), rest_of(_pages(answer)))
    assert sorted(found) == ["linear:C0USDT", "linear:C1USDT", "linear:C2USDT"]


async def test_a_catalogue_that_never_ends_is_no_answer(rest_of, caplog) -> None:
    asked: list[str] = []

    def answer(path: str) -> dict[str, Any]:
        asked.append(path)
        return {"category": "linear", "list": [], "nextPageCursor": str(len(asked))}

    class Enough(Backoff):
        def next_s(self) -> float:
            raise AnswerError("enough")

    with pytest.raises(AnswerError, match="enough"):
        await listed(Bybit(rest_url="http://rest"), rest_of(_pages(answer)), Enough(initial_s=1, cap_s=1))
    assert len(asked) == PAGES
    assert "does not list its instruments" in caplog.text
    assert json.dumps(asked[-1]).count("cursor=") == 1
