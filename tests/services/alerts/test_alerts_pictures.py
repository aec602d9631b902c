"""The PNG: its size, its sameness, what is written on it; read back with another library."""

import asyncio
import io
import threading
from typing import Any

import matplotlib as mpl
import pytest
from PIL import Image

from deploy.local.sandbox.telegram_call import Upload
from deploy.local.sandbox.telegram_files import photo_size
from libs.common.events import Candle, Direction, Label, Mark, Origin, Plan, Signal, Target, Timeframe
from services.alerts.channels.channel import Message, Sent
from services.alerts.pictures import HEIGHT, MOST_BYTES, MOST_WAITING, WIDTH, Busy, Painter, draw
from services.alerts.policy.chart import Chart, lay_out

S = 1_000_000_000
START_NS = 1_767_225_600 * S
M15 = Timeframe.M15
MARKET: dict[str, Any] = {"venue": "okx", "symbol": "BTC-USDT-PERP"}


def chart(origin: Origin = Origin.LIVE, slots: int = 60, **changes: Any) -> Chart:
    candles = tuple(
        Candle(
            **MARKET,
            event_ns=START_NS + (slot + 1) * M15.ns,
            received_ns=0,
            timeframe=M15,
            open_ns=START_NS + slot * M15.ns,
            open=100.0 + slot % 7,
            high=108.0,
            low=98.0 + slot % 2,
            close=100.0 + slot % 5,
            volume=float(slot),
        )
        for slot in range(slots)
    )
    fields: dict[str, Any] = {
        **MARKET,
        "origin": origin,
        "signal_id": "sig-1",
        "timeframe": M15,
        "as_of_ns": START_NS + slots * M15.ns,
        "known_at_ns": START_NS + slots * M15.ns,
        "direction": Direction.LONG,
        "label": Label.STRONG_BUY,
        "score": 0.6,
        "confidence": 0.5,
        "price": 102.0,
        "contributions": (),
        "absent": (),
        "plan": Plan(
            entry_low=101.0,
            entry_high=102.0,
            stop=97.0,
            targets=(Target(price=107.0, reward_to_risk=1.0),),
            expires_ns=START_NS * 2,
            invalidation="x",
            stop_basis="atr",
            atr=1.0,
            fee_rate=0.0005,
            break_even_hit_rate=0.4,
        ),
    }
    zone = Mark(kind="fib_618", low=99, high=99.5, side=0, strength=1, formed_ns=START_NS, known_ns=START_NS)
    return lay_out(Signal(**{**fields, **changes}), candles, (zone,))


def pixels(png: bytes, box: tuple[int, int, int, int]) -> bytes:
    with Image.open(io.BytesIO(png)) as image:
        return image.convert("RGB").crop(box).tobytes()


def test_it_is_a_png_of_the_promised_size():
    png = draw(chart())
    with Image.open(io.BytesIO(png)) as image:
        image.load()
        assert (image.format, image.size) == ("PNG", (WIDTH, HEIGHT)) == ("PNG", (1280, 720))
    assert len(png) < MOST_BYTES / 10
    assert photo_size(Upload("chart.png", "image/png", png).content) == (1280, 720)  # the strict fake takes it


def test_the_same_chart_is_the_same_bytes():
    assert draw(chart()) == draw(chart())


def test_nobodys_settings_change_it():
    before = draw(chart())
    with mpl.rc_context({"axes.facecolor": "red", "font.size": 30, "savefig.dpi": 20}):
        assert draw(chart()) == before


@pytest.mark.parametrize("origin", [Origin.SIMULATED, Origin.RECORDED])
def test_what_is_not_live_says_so(origin):
    live, other = draw(chart()), draw(chart(origin))
    corner, middle, elsewhere = (1080, 20, 1280, 80), (250, 200, 850, 450), (0, 540, 1280, 720)
    amber, paper = (242, 169, 59), (16, 21, 29)
    with Image.open(io.BytesIO(other)) as image:
        assert (amber in colours(image.convert("RGB").crop(corner))) is True
    with Image.open(io.BytesIO(live)) as image:
        assert colours(image.convert("RGB").crop(corner)) == {paper}
    assert pixels(live, middle) != pixels(other, middle)  # and across the candles, so that no crop removes it
    assert pixels(live, elsewhere) == pixels(other, elsewhere)


def colours(image: Image.Image) -> set[Any]:
    return {colour for _, colour in image.getcolors(maxcolors=100_000) or []}


@pytest.mark.parametrize(
    "changes",
    [
        {"symbol": "币安人生USDT"},  # letters that the font has not
        {"symbol": "$PEPE_$WIF^{2}"},  # what would be a formula
        {"symbol": "x" * 500, "venue": "y" * 500},
        {"plan": None},
        {"price": float("nan")},
    ],
)
def test_odd_fields_are_drawn(changes):
    assert draw(chart(**changes)).startswith(b"\x89PNG")


def test_most_is_small_enough():
    assert len(draw(chart(slots=500))) < MOST_BYTES / 10


async def test_one_pen_and_two_who_wait():
    painter, one = Painter(), chart()
    asked = [asyncio.create_task(painter.paint(one)) for _ in range(1 + MOST_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await painter.paint(one)
    assert len(set(await asyncio.gather(*asked))) == 1
    assert await painter.paint(one)  # the pen is free again
    await painter.stop()


async def test_the_loop_goes_on_while_it_draws():
    painter, turns = Painter(), 0
    drawing = asyncio.create_task(painter.paint(chart()))
    while not drawing.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 10
    assert any(thread.name.startswith("painter") for thread in threading.enumerate())
    await painter.stop()


async def test_who_stops_waiting_does_not_free_the_pen():
    painter = Painter()
    asked = [asyncio.create_task(painter.paint(chart())) for _ in range(1 + MOST_WAITING)]
    await asyncio.sleep(0)
    asked[0].cancel()
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await painter.paint(chart())
    await asyncio.gather(*asked[1:])
    await painter.stop()


async def test_a_picture_that_cannot_be_drawn_frees_it_too():
    painter, broken = Painter(), chart()
    empty = Chart(**{name: getattr(broken, name) for name in broken.__struct_fields__} | {"bars": (), "slots": -1})
    for _ in range(MOST_WAITING + 2):
        with pytest.raises(Exception, match=r".+"):
            await painter.paint(empty)
    assert await painter.paint(broken)
    await painter.stop()


async def test_it_arrives_with_its_caption(fake, telegram):
    png = draw(chart())
    photo = Message(recipient="1001", action="photo", picture=png, html="<b>BTC</b> &lt;15m&gt;", text="BTC <15m>")
    assert await telegram.send(photo) == Sent("1")
    (kept,) = fake.bot.accepted
    assert (kept.text, kept.entities) == ("BTC <15m>", [{"type": "bold", "offset": 0, "length": 3}])
    assert (kept.photo.width, kept.photo.height) == (1280, 720)
    assert fake.bot.files[kept.photo.file_id] == png
