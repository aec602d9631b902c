"""Orders of charts in; pictures, or the words why there is none, out into the outbox: a few at once, the rest later."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from libs.common.events import Candle, Mark, Signal
from libs.common.runtime.clock import now_ns
from libs.common.runtime.errors import DependencyDown
from services.alerts.bot.answering import entries
from services.alerts.bot.buttons import Order
from services.alerts.bot.command import Reply
from services.alerts.policy.chart import Chart, lay_out
from services.alerts.policy.markup import Piece, join, lines
from services.alerts.policy.wording import banner, headline
from services.alerts.store.outbox import STORE_ERRORS, Outbox

log = logging.getLogger(__name__)

MOST: Final = 3
"""Charts under way."""
BUSY: Final = "Too many charts are being drawn: ask again in a moment"

Candles = Callable[[Signal], Awaitable[tuple[Candle, ...]]]


class Pen(Protocol):
    """What draws."""

    async def paint(self, chart: Chart) -> bytes:
        """Return a PNG; raises `RuntimeError` when it is busy, `ValueError` for one too large."""

    async def stop(self) -> None:
        """Draw no more."""


class LatePen:
    """Our painter, from the first chart on: its library takes some 50 MB, and a second or two to load."""

    def __init__(self) -> None:
        self._pen: Pen | None = None
        self._loading = asyncio.Lock()

    async def paint(self, chart: Chart) -> bytes:
        """Return a PNG."""
        async with self._loading:
            if self._pen is None:
                self._pen = await asyncio.to_thread(_painter)
        return await self._pen.paint(chart)

    async def stop(self) -> None:
        """Draw no more."""
        if self._pen is not None:
            await self._pen.stop()


class Charts:
    """Charts under way. One that is cut off by the end of the process is asked for again by whoever wants it."""

    def __init__(self, pen: Pen, candles: Candles, outbox: Outbox, nudge: Callable[[], None]) -> None:
        self._pen = pen
        self._candles = candles
        self._outbox = outbox
        self._nudge = nudge
        self._under_way: dict[str, asyncio.Task[None]] = {}

    def order(self, order: Order) -> bool:
        """Begin one; False when as many as may be are under way."""
        if order.name in self._under_way:
            return True
        if len(self._under_way) >= MOST:
            return False
        task = asyncio.create_task(self._draw(order), name="chart")
        self._under_way[order.name] = task
        task.add_done_callback(lambda _task: self._under_way.pop(order.name, None))
        return True

    async def stop(self) -> None:
        """End what is under way."""
        for task in list(self._under_way.values()):
            task.cancel()
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)
        await self._pen.stop()

    async def _draw(self, order: Order) -> None:
        words, picture = await self._picture(order.verdict.signal)
        reply = Reply(words=lines([*banner(order.verdict.origin), headline(order.verdict.signal), words]))
        try:
            now = now_ns()
            await self._outbox.enqueue(entries(reply, order.recipient, order.name, now, picture=picture), now)
        except STORE_ERRORS as e:
            log.warning("a chart was drawn in vain: %s", e)
        self._nudge()

    async def _picture(self, signal: Signal) -> tuple[Piece, bytes | None]:
        """Return the words below the picture, and the picture; alone they say why there is none."""
        try:
            candles = await self._candles(signal)
            until_ns = max([signal.as_of_ns, *(one.event_ns for one in candles)])
            chart = lay_out(signal, candles, _marks(signal), as_of_ns=until_ns)
        except DependencyDown as e:
            log.warning("no candles for a chart: %s", e)
            return join("No chart: candles cannot be read now. Ask again in a moment"), None
        except ValueError:
            market = f"{signal.timeframe} candles of this market"
            return join(f"No chart: no {market} are at hand from then; only the newest are read"), None
        try:
            picture = await self._pen.paint(chart)
        except (RuntimeError, ValueError) as e:
            log.warning("a chart was not drawn: %s", e)
            return join(BUSY), None
        return join(f"{len(chart.bars)} candles of {signal.timeframe}, {chart.footer}"), picture


def _painter() -> Pen:
    from services.alerts.pictures import Painter  # noqa: PLC0415  (loaded when somebody wants a chart)

    return Painter()


def _marks(signal: Signal) -> tuple[Mark, ...]:
    return tuple(mark for reading in signal.readings for mark in reading.marks)
