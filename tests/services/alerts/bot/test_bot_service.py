"""A newcomer and the whole service: broker, PostgreSQL, the real library, the strict fake; and a chart on demand."""

import asyncio
from typing import Any

import pytest

from deploy.local.broker.launch import EmbeddedBroker
from deploy.local.children import free_port
from deploy.local.sandbox.telegram import FakeTelegram
from deploy.local.sandbox.telegram_people import Press, Say
from libs.common.bus import topics
from libs.common.bus.admin import ensure_topics
from libs.common.bus.publisher import Publisher
from libs.common.events import Candle, Source, Timeframe
from libs.common.runtime.clock import monotonic_s, now_ns
from libs.common.runtime.errors import DependencyDown
from libs.common.runtime.process import Process
from libs.common.runtime.settings import load
from services.alerts.app import build
from services.alerts.bot.buttons import Order
from services.alerts.bot.candles import candles_of
from services.alerts.bot.drawing import MOST, Charts
from services.alerts.pictures import Busy
from services.alerts.settings import Settings
from services.alerts.store.outbox import Outbox
from tests.services.alerts.bot.conftest import verdict

TOKEN = "7000000001:sandbox"
HOUR = 3600 * 1_000_000_000
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def broker(tmp_path):
    server = EmbeddedBroker()
    yield server.start(tmp_path, free_port())
    server.stop()


@pytest.fixture
async def publisher(broker):
    await ensure_topics(broker, topics.TOPICS)
    made = Publisher(broker, "test")
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def fake():
    server = FakeTelegram(TOKEN, lambda _line: None)
    await server.start()
    yield server
    await server.stop()


def candle(open_ns, close=100.0, symbol="BTC-USDT-PERP", source=Source.TRADES, **changes):
    fields = {
        "venue": "okx", "symbol": symbol, "timeframe": Timeframe.H1, "open_ns": open_ns, "open": 100.0, "high": 104.0,
        "low": 96.0, "close": close, "volume": 3.0, "event_ns": open_ns + HOUR, "received_ns": 0, "source": source,
    }  # fmt: skip
    return Candle(**{**fields, **changes})


async def eventually(fact, within_s=15.0):
    deadline_s = monotonic_s() + within_s
    while not (found := fact()):
        assert monotonic_s() < deadline_s, "it did not come true"
        await asyncio.sleep(0.05)
    return found


async def test_from_start_to_the_first_alert_and_its_chart(broker, publisher, fresh_dsn, fake, monkeypatch):
    for key, value in {
        "CSX_KAFKA_BOOTSTRAP": broker,
        "CSX_POSTGRES_DSN": fresh_dsn,
        "CSX_ALERTS_TELEGRAM_TOKEN": TOKEN,
        "CSX_ALERTS_TELEGRAM_URL": fake.url,
        "CSX_ALERTS_ALLOWED_USERS": "1001",
    }.items():
        monkeypatch.setenv(key, value)
    now = now_ns()
    await publisher.publish([candle(now - (hours + 1) * HOUR) for hours in range(24)])
    settings = load(Settings)
    process = Process("alerts", settings)

    async def main(process):
        await build(process, settings)

    serving = asyncio.create_task(process.serve(main))
    try:
        fake.bot.act(Say(user=1001, text="/start"))
        await eventually(lambda: [one for one in fake.bot.accepted if "hears of nothing yet" in one.text])
        fake.bot.act(Say(user=1001, text="/subscribe"))
        await eventually(lambda: [one for one in fake.bot.accepted if "From now on" in one.text])
        fake.bot.act(Say(user=1001, text="/rules"))
        await eventually(lambda: [one for one in fake.bot.accepted if "1 of 50 rules" in one.text])
        at = now_ns()
        alerts: list[Any] = []
        for number in range(20):  # the rule is on its way from the topic into the store
            await publisher.publish([verdict(f"s{number}", as_of_ns=at + number)])
            for _ in range(10):
                await asyncio.sleep(0.1)
                alerts = alerts or [one for one in fake.bot.accepted if one.keyboard]
            if alerts:
                break
        alert = alerts[0]
        assert "SIMULATED" in alert.text
        chart = alert.keyboard[0][1]
        assert chart["text"] == "Chart"
        fake.bot.act(Press(user=1001, message_id=alert.message_id, data=chart["callback_data"]))
        (photo,) = await eventually(lambda: [one for one in fake.bot.accepted if one.photo])
        assert fake.bot.files[photo.photo.file_id].startswith(PNG)
        assert "24 candles of 1h" in photo.text
        assert [one.text for one in fake.bot.answered] == ["The chart comes as a message"]
    finally:
        process.stopping.set()
        assert await serving == 0
    assert fake.bot.floods.early == []


async def test_candles_of_a_signal_from_the_topics_end(broker, publisher):
    at = 1_763_715_600 * 1_000_000_000
    signal = verdict("s", as_of_ns=at).signal
    await publisher.publish(
        [candle(at - hours * HOUR, close=99.0, source=Source.REST) for hours in range(-70, 200)]
        + [candle(at - hours * HOUR) for hours in range(1, 3)]
        + [candle(at - HOUR, symbol="BTC-USDT"), candle(at - HOUR, venue="bybit"), candle(at, closed=False)]
        + [candle(at - HOUR, timeframe=Timeframe.M1)]
    )
    found = await candles_of(signal, broker)
    assert {(one.venue, one.symbol, one.timeframe) for one in found} == {("okx", "BTC-USDT-PERP", Timeframe.H1)}
    assert max(one.open_ns for one in found) == at + 59 * HOUR
    assert [one.source for one in found[-2:]] == [Source.TRADES, Source.TRADES]
    assert all(one.closed for one in found)
    assert await candles_of(verdict("s", symbol="NONE-USDT").signal, broker) == ()


async def test_without_a_broker_there_are_no_candles():
    with pytest.raises(DependencyDown):
        await candles_of(verdict("s").signal, f"127.0.0.1:{free_port()}")


class Pen:
    """Draws when it is let, or is busy."""

    def __init__(self, error=None):
        self.error = error
        self.may = asyncio.Event()

    async def paint(self, _chart):
        await self.may.wait()
        if self.error:
            raise self.error
        return PNG

    async def stop(self):
        return


def order(name="a"):
    return Order(verdict=verdict("s1", as_of_ns=HOUR), recipient="1001", name=name)


def charts(pool, pen, candles=None):
    async def some(_signal):
        if isinstance(candles, Exception):
            raise candles
        return (candle(0),) if candles is None else candles

    return Charts(pen, some, Outbox(pool), lambda: None)


async def test_a_few_charts_at_once_and_one_wish_once(pool):
    pen = Pen()
    drawing = charts(pool, pen)
    assert [drawing.order(order(str(number))) for number in range(MOST)] == [True] * MOST
    assert drawing.order(order("0"))
    assert not drawing.order(order("one more"))
    pen.may.set()
    await eventually(lambda: not drawing._under_way)
    rows = await pool.fetch("SELECT action, blob, kind FROM alerts.outbox")
    assert [tuple(row) for row in rows] == [("photo", PNG, "answer")] * MOST
    assert drawing.order(order("0"))
    await drawing.stop()


@pytest.mark.parametrize(
    ("candles", "error", "words"),
    [
        ((), None, "no 1h candles of this market are at hand"),
        (DependencyDown("no broker"), None, "candles cannot be read now"),
        (None, Busy("two wait"), "ask again in a moment"),
    ],
)
async def test_where_there_is_no_chart_words_say_why(pool, candles, error, words):
    pen = Pen(error)
    pen.may.set()
    drawing = charts(pool, pen, candles)
    drawing.order(order())
    await eventually(lambda: not drawing._under_way)
    row = await pool.fetchrow("SELECT action, text FROM alerts.outbox")
    assert row["action"] == "send"
    assert words in row["text"]
    assert "SIMULATED" in row["text"]
