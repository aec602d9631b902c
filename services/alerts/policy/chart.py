"""A market's candles, a signal's plan and its marks in; where everything stands in a picture of them, out. Pure.

Across: candles by their slot of time, so that a missing one leaves a hole. Up: prices. The candles keep about a third
of the height at least; a level beyond the edge is named at the edge, with an arrow.
"""

import math
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from libs.common.events import DAY_NS, HOUR_NS, MINUTE_NS, SECOND_NS, Candle, Mark, Origin, Signal
from services.alerts.policy import numbers

MOST_CANDLES: Final = 120
MOST_MARKS: Final = 8
MOST_TARGETS: Final = 3
_TIMES: Final = 8
_PRICES: Final = 10
"""At most about so many numbers on an axis."""
_STEPS_NS: Final = (
    *(minutes * MINUTE_NS for minutes in (1, 5, 15, 30)),
    *(hours * HOUR_NS for hours in (1, 2, 4, 6, 12)),
    *(days * DAY_NS for days in (1, 2, 7, 14, 28, 56, 112, 224, 448)),
)
_LABEL_SHARE: Final = 0.052
"""Of the height: what one label takes."""
_NAME: Final = 40


class Bar(Struct, frozen=True):
    """One candle at its slot."""

    slot: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class Line(Struct, frozen=True):
    """One level of the plan, or the price, across the picture."""

    role: str
    """`entry`, `stop`, `target` or `price`."""
    low: float
    high: float
    """Equal to `low` for a line."""
    words: str
    label_at: float
    """Price at which its words stand: no two stand on each other."""


class Zone(Struct, frozen=True):
    """One mark, from the slot at which it was known."""

    slot: float
    low: float
    high: float
    side: int
    words: str


class Tick(Struct, frozen=True):
    """One number on an axis."""

    at: float
    words: str


class Chart(Struct, frozen=True, kw_only=True):
    """Everything that is drawn, and nothing else."""

    title: str
    subtitle: str
    footer: str
    banner: str
    """Leads what is not live: SIMULATED or RECORDED."""
    slots: int
    moment: float
    """Slot of the signal; where it lies in the picture, a line stands there."""
    low: float
    high: float
    bars: tuple[Bar, ...]
    lines: tuple[Line, ...]
    zones: tuple[Zone, ...]
    prices: tuple[Tick, ...]
    times: tuple[Tick, ...]


def lay_out(
    signal: Signal, candles: tuple[Candle, ...], marks: tuple[Mark, ...] = (), *, as_of_ns: int | None = None
) -> Chart:
    """Return the picture of a signal: its levels over the newest 120 candles of its timeframe that were known by then.

    Candles that are no prices are left out, and so are marks beyond the edges. `as_of_ns` is the signal's own moment,
    unless a later one is given: to show how it went on.

    Raises:
        ValueError: not one of the candles can be drawn.
    """
    as_of_ns = signal.as_of_ns if as_of_ns is None else as_of_ns
    shown = _newest(signal, candles, as_of_ns)
    first_ns, width_ns = shown[0].open_ns, signal.timeframe.ns
    slots = (shown[-1].open_ns - first_ns) // width_ns + 1
    bars = tuple(_bar(candle, (candle.open_ns - first_ns) // width_ns) for candle in shown)
    levels = _levels(signal)
    low, high = _range(bars, levels)
    return Chart(
        title=f"{signal.symbol[:_NAME]}  {signal.timeframe}",
        subtitle=f"{signal.label.replace('_', ' ')}, {signal.direction}, on {signal.venue[:_NAME]}",
        footer=f"as of {numbers.utc(as_of_ns)}, signal {signal.signal_id[:_NAME]}",
        banner="" if signal.origin is Origin.LIVE else signal.origin.upper(),
        slots=slots,
        moment=(signal.as_of_ns - first_ns) / width_ns - 0.5,
        low=low,
        high=high,
        bars=bars,
        lines=_spread(levels, low, high),
        zones=_zones(signal, [one for one in marks if one.known_ns <= as_of_ns], low, high, first_ns),
        prices=_price_ticks(low, high),
        times=_time_ticks(first_ns, width_ns, slots),
    )


def _newest(signal: Signal, candles: tuple[Candle, ...], as_of_ns: int) -> list[Candle]:
    usable = {
        one.open_ns: one
        for one in candles
        if one.timeframe is signal.timeframe
        and one.event_ns <= as_of_ns
        and _drawable(one.open, one.high, one.low, one.close)
        and one.low <= min(one.open, one.close) <= max(one.open, one.close) <= one.high
    }
    if not usable:
        raise ValueError(f"no candle of {signal.timeframe} to draw")
    begin_ns = max(usable) - (MOST_CANDLES - 1) * signal.timeframe.ns
    return [usable[open_ns] for open_ns in sorted(usable) if open_ns >= begin_ns]


def _drawable(*values: float) -> bool:
    return all(math.isfinite(value) and 1e-12 < value < 1e12 for value in values)


def _bar(candle: Candle, slot: int) -> Bar:
    volume = candle.volume if math.isfinite(candle.volume) and candle.volume > 0 else 0.0
    return Bar(slot, candle.open, candle.high, candle.low, candle.close, volume)


def _levels(signal: Signal) -> list[Line]:
    """Return price, entry, stop and targets; what is no number is left out."""
    found = [("price", signal.price, signal.price, "Price")]
    if plan := signal.plan:
        found += [("entry", plan.entry_low, plan.entry_high, "Entry"), ("stop", plan.stop, plan.stop, "Stop")]
        found += [
            ("target", target.price, target.price, f"Target {number}")
            for number, target in enumerate(plan.targets[:MOST_TARGETS], start=1)
        ]
    return [
        Line(role, low, high, _words(name, low, high), (low + high) / 2)
        for role, low, high, name in found
        if _drawable(low, high) and low <= high
    ]


def _words(name: str, low: float, high: float) -> str:
    to = "" if low == high else f" to {numbers.price(high)}"
    return f"{name} {numbers.price(low)}{to}"


def _range(bars: tuple[Bar, ...], levels: list[Line]) -> tuple[float, float]:
    low, high = min(bar.low for bar in bars), max(bar.high for bar in bars)
    room = max(high - low, high * 1e-4)
    edges = (low - room, high + room)
    near = [price for one in levels for price in (one.low, one.high) if edges[0] <= price <= edges[1]]
    low, high = min([low, *near]), max([high, *near])
    margin = max(high - low, room) * 0.06
    return low - margin, high + margin


def _spread(levels: list[Line], low: float, high: float) -> tuple[Line, ...]:
    """Return the levels, lowest first, their labels in the picture and apart from each other."""
    least = (high - low) * _LABEL_SHARE
    ordered = sorted(levels, key=lambda one: one.label_at)
    places: list[float] = []
    floor = low + least / 2
    for one in ordered:
        places.append(max(one.label_at, floor))
        floor = places[-1] + least
    ceiling = high - least / 2
    for number in range(len(places) - 1, -1, -1):
        places[number] = min(places[number], ceiling)
        ceiling = places[number] - least
    return tuple(
        Line(one.role, one.low, one.high, _arrow(one, low, high) + one.words, place)
        for one, place in zip(ordered, places, strict=True)
    )


def _arrow(one: Line, low: float, high: float) -> str:
    return "▲ " if one.low > high else "▼ " if one.high < low else ""


def _zones(signal: Signal, marks: list[Mark], low: float, high: float, first_ns: int) -> tuple[Zone, ...]:
    seen = [one for one in marks if _drawable(one.low, one.high) and low <= one.low <= one.high <= high]
    nearest = sorted(seen, key=lambda one: (abs((one.low + one.high) / 2 - signal.price), one.kind, one.low))
    return tuple(
        Zone(
            max(-0.5, (one.known_ns - first_ns) / signal.timeframe.ns - 0.5),
            one.low,
            one.high,
            one.side,
            one.kind.replace("_", " ")[:_NAME],
        )
        for one in nearest[:MOST_MARKS]
    )


def _price_ticks(low: float, high: float) -> tuple[Tick, ...]:
    rough = (high - low) / _PRICES
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * one for one in (1, 2, 5, 10) if power * one >= rough)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    first = math.ceil(low / step)
    return tuple(Tick(n * step, f"{n * step:.{decimals}f}") for n in range(first, math.floor(high / step) + 1))


def _time_ticks(first_ns: int, width_ns: int, slots: int) -> tuple[Tick, ...]:
    end_ns = first_ns + slots * width_ns
    step_ns = next((step for step in _STEPS_NS if slots * width_ns <= _TIMES * step), _STEPS_NS[-1])
    begin_ns = -(-first_ns // step_ns) * step_ns
    ticks: list[Tick] = []
    for at_ns in range(begin_ns, end_ns, step_ns):
        at = datetime.fromtimestamp(at_ns // SECOND_NS, UTC)
        dated = not ticks or at_ns % DAY_NS < step_ns
        clock = "" if step_ns >= DAY_NS else f"{at:%H:%M}\n" if dated else f"{at:%H:%M}"
        ticks.append(Tick((at_ns - first_ns) / width_ns - 0.5, clock + (f"{at:%Y-%m-%d}" if dated else "")))
    return tuple(ticks)
