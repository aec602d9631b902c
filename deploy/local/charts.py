"""Bars, zones, lines and notes in, one chart as SVG text out: no library, equal input gives equal bytes."""

from collections.abc import Sequence
from html import escape
from typing import Final

from msgspec import Struct

from services.signals.engine.bars import Bar

_WIDTH: Final = 760
_HEIGHT: Final = 340
_LEFT: Final = 12
_RIGHT: Final = 92
_TOP: Final = 34
_BOTTOM: Final = 28
_UP: Final = "#1a7f64"
_DOWN: Final = "#c0392b"
_INK: Final = "#22303c"
_QUIET: Final = "#7b8794"


class Zone(Struct, frozen=True):
    """A rectangle of prices over a span of bars, both ends included; equal prices make a line."""

    first: int
    last: int
    low: float
    high: float
    text: str = ""
    side: int = 0
    """+1 green, -1 red, 0 grey."""


class Note(Struct, frozen=True):
    """A word at a bar: above it, or below."""

    at: int
    price: float
    text: str
    above: bool = True


class Chart(Struct, frozen=True):
    """What is drawn."""

    title: str
    bars: Sequence[Bar]
    zones: Sequence[Zone] = ()
    notes: Sequence[Note] = ()
    known: int | None = None
    """The bar at whose close the structure was known."""

    def svg(self) -> str:
        """Return the picture; prices of simulated markets say so."""
        low = min([*(bar.low for bar in self.bars), *(zone.low for zone in self.zones)])
        high = max([*(bar.high for bar in self.bars), *(zone.high for zone in self.zones)])
        room = (high - low or 1.0) * 0.08
        scale = _Scale(low - room, high + room, len(self.bars))
        parts = [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"'
                f' aria-label="{escape(self.title)}" font-family="system-ui, sans-serif" font-size="12">'
            ),
            f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
            f'<text x="{_LEFT}" y="20" fill="{_INK}" font-size="14" font-weight="600">{escape(self.title)}</text>',
            f'<text x="{_WIDTH - 8}" y="20" fill="{_DOWN}" text-anchor="end" font-weight="600">SIMULATED</text>',
        ]
        parts += [_zone(zone, scale) for zone in self.zones]
        parts += [_candle(at, bar, scale) for at, bar in enumerate(self.bars)]
        if self.known is not None:
            parts.append(_known(self.known, scale))
        parts += [_note(note, scale) for note in self.notes]
        return "\n".join([*parts, "</svg>"]) + "\n"


class _Scale(Struct, frozen=True):
    low: float
    high: float
    bars: int

    @property
    def step(self) -> float:
        return (_WIDTH - _LEFT - _RIGHT) / self.bars

    def x(self, at: float) -> float:
        """Return the middle of bar `at`."""
        return round(_LEFT + (at + 0.5) * self.step, 1)

    def y(self, price: float) -> float:
        share = (price - self.low) / (self.high - self.low)
        return round(_HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM), 1)


def _candle(at: int, bar: Bar, scale: _Scale) -> str:
    colour = _UP if bar.close >= bar.open else _DOWN
    x, width = scale.x(at), round(scale.step * 0.64, 1)
    top, bottom = scale.y(max(bar.open, bar.close)), scale.y(min(bar.open, bar.close))
    body = max(round(bottom - top, 1), 1.0)
    return (
        f'<path d="M{x} {scale.y(bar.high)}V{scale.y(bar.low)}" stroke="{colour}"/>'
        f'<rect x="{round(x - width / 2, 1)}" y="{top}" width="{width}" height="{body}" fill="{colour}"/>'
    )


def _zone(zone: Zone, scale: _Scale) -> str:
    colour = {1: _UP, -1: _DOWN}.get(zone.side, _QUIET)
    x, end = scale.x(zone.first - 0.5), scale.x(zone.last + 0.5)
    top, bottom = scale.y(zone.high), scale.y(zone.low)
    if zone.high > zone.low:
        shape = (
            f'<rect x="{x}" y="{top}" width="{round(end - x, 1)}" height="{round(bottom - top, 1)}"'
            f' fill="{colour}" fill-opacity="0.14" stroke="{colour}" stroke-opacity="0.6"/>'
        )
    else:
        shape = f'<path d="M{x} {top}H{end}" stroke="{colour}" stroke-dasharray="5 4"/>'
    if not zone.text:
        return shape
    return f'{shape}<text x="{x}" y="{round(top - 5, 1)}" fill="{colour}">{escape(zone.text)}</text>'


def _known(at: int, scale: _Scale) -> str:
    x = scale.x(at + 0.5)
    return (
        f'<path d="M{x} {_TOP}V{_HEIGHT - _BOTTOM}" stroke="{_QUIET}" stroke-dasharray="2 3"/>'
        f'<text x="{x}" y="{_HEIGHT - 10}" fill="{_QUIET}" text-anchor="middle">known here</text>'
    )


def _note(note: Note, scale: _Scale) -> str:
    y = scale.y(note.price) + (-7 if note.above else 16)
    return (
        f'<text x="{scale.x(note.at)}" y="{round(y, 1)}" fill="{_INK}" text-anchor="middle">{escape(note.text)}</text>'
    )
