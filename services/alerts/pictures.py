"""A chart in; a PNG of 1280 x 720 points, the same bytes for the same chart, out: drawn by one thread, two may wait."""

import asyncio
import functools
import io
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import blended_transform_factory

from libs.common.runtime.clock import monotonic_s
from services.alerts.metrics_pictures import PICTURE_SECONDS, PICTURES
from services.alerts.policy.chart import Chart, Line

WIDTH: Final = 1280
HEIGHT: Final = 720
MOST_BYTES: Final = 10 * 1024 * 1024
"""Telegram's limit of a photo."""
MOST_WAITING: Final = 2

_DPI: Final = 100
_FONT: Final = "DejaVu Sans"
_PAPER: Final = "#10151d"
_GRID: Final = "#232b37"
_INK: Final = "#e6edf3"
_FAINT: Final = "#8b98a9"
_UP: Final = "#2fbf8f"
_DOWN: Final = "#ef5b6b"
_LINES: Final = {"price": "#d6dde6", "entry": "#5aa9ff", "stop": "#ff7b72", "target": "#56d364"}
_ZONES: Final = {1: _UP, -1: _DOWN, 0: "#a78bfa"}
_ORIGIN: Final = "#f2a93b"
_LABEL_LETTERS: Final = 27
"""So many fit beside the picture; longer words are written smaller."""


class Busy(RuntimeError):
    """As many pictures as may wait are waiting: ask again later."""


class Painter:
    """One pen. It draws in a thread of its own, so that messages go on being sent."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="painter")
        self._asked = 0

    async def paint(self, chart: Chart) -> bytes:
        """Return the PNG.

        Raises:
            Busy: one is being drawn and two wait.
        """
        if self._asked > MOST_WAITING:
            PICTURES.labels("busy").inc()
            raise Busy(f"{MOST_WAITING} pictures are waiting already")
        self._asked += 1
        drawing = asyncio.get_running_loop().run_in_executor(self._thread, draw, chart)
        drawing.add_done_callback(self._drawn)
        return await asyncio.shield(drawing)  # whoever stops waiting does not free the pen

    def _drawn(self, drawing: "asyncio.Future[bytes]") -> None:
        self._asked -= 1
        failed = drawing.cancelled() or drawing.exception() is not None
        PICTURES.labels("failed" if failed else "drawn").inc()

    async def stop(self) -> None:
        """Let the picture under way end and draw no more."""
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)


def draw(chart: Chart) -> bytes:
    """Return the PNG; touches no state but its own, save matplotlib's settings while it draws.

    Raises:
        ValueError: the PNG came out larger than Telegram takes.
    """
    began_s = monotonic_s()
    with mpl.rc_context(mpl.rcParamsDefault):  # nobody's matplotlibrc changes what we draw
        figure = Figure(figsize=(WIDTH / _DPI, HEIGHT / _DPI), dpi=_DPI, facecolor=_PAPER)
        FigureCanvasAgg(figure)
        prices = figure.add_axes((0.075, 0.27, 0.68, 0.60), facecolor=_PAPER)
        volumes = figure.add_axes((0.075, 0.115, 0.68, 0.135), facecolor=_PAPER)
        _frame(prices, volumes, chart)
        _zones(prices, chart)
        _candles(prices, volumes, chart)
        if chart.moment < chart.slots - 0.5:
            prices.axvline(chart.moment, color=_FAINT, linewidth=1.0, linestyle=":", zorder=2)
        for line in chart.lines:
            _line(prices, line, chart.high - chart.low)
        _words(figure, chart)
        out = io.BytesIO()
        figure.savefig(out, format="png", dpi=_DPI, facecolor=_PAPER, metadata={"Software": None})
    PICTURE_SECONDS.observe(monotonic_s() - began_s)
    if len(png := out.getvalue()) > MOST_BYTES:
        raise ValueError(f"a picture of {len(png)} bytes")
    return png


def _frame(prices: Axes, volumes: Axes, chart: Chart) -> None:
    for axes in (prices, volumes):
        axes.set_xlim(-1, chart.slots + 0.5)
        axes.set_xticks([tick.at for tick in chart.times])
        axes.grid(visible=True, color=_GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(colors=_FAINT, length=0, labelsize=11)
        for spine in axes.spines.values():
            spine.set_color(_GRID)
    prices.set_ylim(chart.low, chart.high)
    prices.set_yticks([tick.at for tick in chart.prices], labels=[tick.words for tick in chart.prices])
    prices.tick_params(labelbottom=False)
    volumes.set_xticks([tick.at for tick in chart.times], labels=[tick.words for tick in chart.times])
    volumes.set_yticks([])
    volumes.set_ylim(0, max(1e-12, *(bar.volume for bar in chart.bars)) * 1.1)
    volumes.text(0.006, 0.93, "volume", transform=volumes.transAxes, color=_FAINT, fontsize=10, va="top")


def _candles(prices: Axes, volumes: Axes, chart: Chart) -> None:
    least = (chart.high - chart.low) * 0.0015  # a bar without a body is still seen
    slots = [bar.slot for bar in chart.bars]
    colours = [_UP if bar.close >= bar.open else _DOWN for bar in chart.bars]
    prices.vlines(slots, [b.low for b in chart.bars], [b.high for b in chart.bars], colors=colours, linewidth=1.1)
    bodies = [max(abs(bar.close - bar.open), least) for bar in chart.bars]
    feet = [(bar.open + bar.close - body) / 2 for bar, body in zip(chart.bars, bodies, strict=True)]
    prices.bar(slots, bodies, width=0.68, bottom=feet, color=colours, linewidth=0, zorder=3)
    volumes.bar(slots, [bar.volume for bar in chart.bars], width=0.68, color=colours, alpha=0.75, linewidth=0)


def _zones(axes: Axes, chart: Chart) -> None:
    for zone in chart.zones:
        colour = _ZONES[(zone.side > 0) - (zone.side < 0)]
        begin, end = zone.slot, chart.slots + 0.5
        axes.fill_between([begin, end], zone.low, zone.high, color=colour, alpha=0.16, linewidth=0, zorder=1)
        axes.hlines([zone.low, zone.high], begin, end, colors=colour, linewidth=0.7, alpha=0.5, zorder=1)
        va = "center" if zone.high > zone.low else "bottom"
        where: dict[str, Any] = {"color": colour, "fontsize": 9, "va": va, "alpha": 0.95, "clip_on": True}
        axes.text(max(zone.slot, 0), (zone.low + zone.high) / 2, _safe(f" {zone.words}"), parse_math=False, **where)


def _line(axes: Axes, line: Line, height: float) -> None:
    colour = _LINES[line.role]
    if line.high - line.low > height * 0.002:
        axes.axhspan(line.low, line.high, color=colour, alpha=0.22, linewidth=0, zorder=2)
    else:
        style = ":" if line.role == "price" else "--"
        axes.axhline((line.low + line.high) / 2, color=colour, linewidth=1.4, linestyle=style, zorder=4)
    at = blended_transform_factory(axes.transAxes, axes.transData)
    axes.plot(
        [1.0, 1.012],
        [min(max((line.low + line.high) / 2, axes.get_ylim()[0]), axes.get_ylim()[1]), line.label_at],
        color=colour,
        linewidth=1,
        transform=at,
        clip_on=False,
    )
    axes.text(
        1.016,
        line.label_at,
        _safe(line.words),
        transform=at,
        color=colour,
        fontsize=min(12.0, 12.0 * _LABEL_LETTERS / len(line.words)),
        va="center",
        parse_math=False,
        fontweight="normal" if line.role == "price" else "bold",
    )


def _words(figure: Figure, chart: Chart) -> None:
    def say(x: float, y: float, words: str, **looks: Any) -> None:
        figure.text(x, y, _safe(words), parse_math=False, **looks)

    say(0.075, 0.935, chart.title, color=_INK, fontsize=20, fontweight="bold", va="center")
    say(0.075, 0.892, chart.subtitle, color=_FAINT, fontsize=13, va="center")
    say(0.075, 0.028, chart.footer, color=_FAINT, fontsize=11, va="center")
    say(0.768, 0.145, "times in UTC", color=_FAINT, fontsize=11, va="center")
    if chart.banner:
        say(0.985, 0.935, chart.banner, color=_PAPER, fontsize=17, fontweight="bold", va="center", ha="right",
            bbox={"boxstyle": "round,pad=0.35", "facecolor": _ORIGIN, "edgecolor": "none"})  # fmt: skip
        say(0.415, 0.57, chart.banner, color=_ORIGIN, fontsize=72, fontweight="bold", va="center", ha="center",
            alpha=0.13, rotation=18)  # fmt: skip


def _safe(words: str) -> str:
    """Return the words with what the font has no picture of as `?`."""
    known = _characters()
    return "".join(one if ord(one) in known else "?" for one in words)


@functools.cache
def _characters() -> frozenset[int]:
    return frozenset(font_manager.get_font(font_manager.findfont(_FONT)).get_charmap())
