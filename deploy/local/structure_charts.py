"""`make charts`: one picture of each smart-money structure, as the engine found it in the sandbox's simulated market.

Written to docs/pictures/structures; equal code draws equal pictures.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from deploy.local.charts import Chart, Note, Zone
from deploy.local.sandbox.listings import DEFAULT
from deploy.local.sandbox.market import Market
from libs.common.events import Source, Timeframe
from services.signals.engine.bars import Bar
from services.signals.engine.config import EngineConfig
from services.signals.engine.indicators import Indicators
from services.signals.engine.structure.smart_money import SmartMoney
from services.signals.engine.structure.terms import Structure

PICTURES: Final = Path(__file__).resolve().parents[2] / "docs" / "pictures" / "structures"
START_MS: Final = 1_760_918_400_000
_SEED: Final = 7
_BEFORE: Final = 8
_AFTER: Final = 6
_MOST: Final = 90


class Found(Struct, frozen=True):
    """The bars of the simulated market, and every structure in them."""

    bars: list[Bar]
    structures: list[Structure]

    def number(self, at_ns: int) -> int:
        """Return the bar that opens at a time."""
        return (at_ns - self.bars[0].open_ns) // Timeframe.M15.ns

    def closed(self, at_ns: int) -> int:
        """Return the bar that closes at a time."""
        return self.number(at_ns) - 1


class Subject(Struct, frozen=True):
    """One picture: which structure, and what is drawn about it."""

    name: str
    title: str
    wanted: Callable[[Structure, Found], bool]
    drawn: Callable[[Structure, Found], tuple[list[Zone], list[Note]]]


def simulated() -> Found:
    """Return a thousand quarter hours of the sandbox's first market, before it starts, and what is in them."""
    listing = DEFAULT[0]
    step = 10**-listing.tick_decimals
    past = Market(listing, _SEED, START_MS).candles.read(Timeframe.M15)
    bars = [
        Bar(
            bar.open_ms * 1_000_000,
            bar.open * step,
            bar.high * step,
            bar.low * step,
            bar.close * step,
            float(bar.lots),
            Source.REST,
            float(bar.buy_lots),
        )
        for bar in past
        if bar.open_ms + Timeframe.M15.ns // 1_000_000 <= START_MS
    ]
    memory, indicators, structures = SmartMoney.new(EngineConfig().smc), Indicators(), []
    for bar in bars:
        structures += memory.add(bar, bar.open_ns + Timeframe.M15.ns, indicators.add(bar).atr_14)
    return Found(bars, structures)


def _span(one: Structure, found: Found) -> int:
    return found.closed(one.history[-1].at_ns) - found.number(one.formed_ns)


def _pivots(one: Structure, found: Found) -> tuple[list[Zone], list[Note]]:
    scale = one.kind.partition("_")[0]
    alike = [other for other in found.structures if other.kind in {f"{scale}_high", f"{scale}_low"}]
    notes = [
        Note(found.number(other.formed_ns), other.high, _label(other), above=other.side > 0)
        for other in alike
        if other.state != "superseded"
    ]
    return [], notes


def _label(pivot: Structure) -> str:
    return pivot.history[0].state


def _broken(one: Structure, found: Found) -> tuple[list[Zone], list[Note]]:
    last = found.closed(one.known_ns)
    word = one.kind.rpartition("_")[2].upper().replace("CHOCH", "CHoCH")
    return [Zone(found.number(one.formed_ns), last, one.low, one.high, word, one.side)], []


def _life(one: Structure, found: Found) -> tuple[list[Zone], list[Note]]:
    ended = found.closed(one.history[-1].at_ns)
    notes = [
        Note(found.closed(moment.at_ns), _edge(found.bars[found.closed(moment.at_ns)], one), moment.state, one.side < 0)
        for moment in one.history[1:]
    ]
    return [Zone(found.number(one.formed_ns), ended, one.low, one.high, one.kind.replace("_", " "), one.side)], notes


def _edge(bar: Bar, one: Structure) -> float:
    return bar.low if one.side > 0 else bar.high


def _level(one: Structure, found: Found) -> tuple[list[Zone], list[Note]]:
    last = found.closed(one.known_ns)
    return [Zone(found.number(one.formed_ns), last, one.low, one.high, one.kind.replace("_", " "), -one.side)], []


def _sweep(one: Structure, found: Found) -> tuple[list[Zone], list[Note]]:
    last = found.closed(one.known_ns)
    price = one.low if one.side < 0 else one.high
    name = one.kind.removeprefix("sweep_of_").replace("_", " ")
    zone = Zone(found.number(one.formed_ns), last, price, price, name, one.side)
    return [zone], [Note(last, one.high if one.side < 0 else one.low, "swept", one.side < 0)]


def _of(kind: str, *states: str) -> Callable[[Structure, Found], bool]:
    """Return whether a structure is of a kind and went through these states, one after the other and not too long."""

    def wanted(one: Structure, found: Found) -> bool:
        lived = [moment.state for moment in one.history]
        return one.kind == kind and all(state in lived for state in states) and 6 <= _span(one, found) <= 60

    return wanted


def _equal(one: Structure, found: Found) -> bool:
    return one.kind == "equal_highs" and found.closed(one.known_ns) - found.number(one.formed_ns) <= 60


def _standing(one: Structure, found: Found) -> bool:
    return one.kind == "internal_high" and one.state == "HH" and found.number(one.formed_ns) > 2 * _BEFORE


SUBJECTS: Final = (
    Subject("swings", "Swings of the internal scale, labelled as confirmed", _standing, _pivots),
    Subject("bos", "Break of structure: a close beyond the last swing, with the bias", _of("internal_bos"), _broken),
    Subject("choch", "Change of character: the same against the bias", _of("internal_choch"), _broken),
    Subject("mss", "Market structure shift: a change of character with a large body", _of("internal_mss"), _broken),
    Subject(
        "order_block",
        "Order block: fresh, touched, mitigated, invalidated, breaker",
        _of("order_block", "touched", "mitigated", "invalidated", "breaker"),
        _life,
    ),
    Subject(
        "fair_value_gap",
        "Fair-value gap: fresh, touched, half filled, filled, inverted",
        _of("fair_value_gap", "touched", "half_filled", "filled", "inverted"),
        _life,
    ),
    Subject("equal_highs", "Equal highs: two swings within a tenth of the ATR", _equal, _level),
    Subject(
        "sweep",
        "Sweep: beyond a swing, and closed back inside",
        lambda one, found: one.kind == "sweep_of_internal_high" and 8 <= _span(one, found) <= 50,
        _sweep,
    ),
    Subject(
        "previous_day",
        "A level of yesterday, swept today",
        lambda one, found: one.kind in {"sweep_of_previous_day_low", "sweep_of_previous_day_high"}
        and _span(one, found) <= _MOST - _BEFORE - _AFTER + 60,
        _sweep,
    ),
)  # fmt: skip


def charts(found: Found) -> Iterator[tuple[str, str]]:
    """Yield (name, SVG) of each subject that the market has an example of."""
    for subject in SUBJECTS:
        one = next((one for one in found.structures if subject.wanted(one, found)), None)
        if one is not None:
            yield subject.name, _drawn(subject, one, found)


def _drawn(subject: Subject, one: Structure, found: Found) -> str:
    ended_ns = one.known_ns if subject.drawn is _level else one.history[-1].at_ns
    last = min(found.closed(ended_ns) + _AFTER, len(found.bars) - 1)
    first = max(0, found.number(one.formed_ns) - _BEFORE, last - 2 * _MOST)
    zones, notes = subject.drawn(one, found)
    return Chart(
        title=subject.title,
        bars=found.bars[first : last + 1],
        zones=[
            Zone(max(0, zone.first - first), zone.last - first, zone.low, zone.high, zone.text, zone.side)
            for zone in zones
        ],
        notes=[Note(note.at - first, note.price, note.text, note.above) for note in notes if first <= note.at <= last],
        known=found.closed(one.known_ns) - first,
    ).svg()


def main() -> int:
    """Write the pictures; say which were drawn."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    drawn = dict(charts(simulated()))
    for name, svg in drawn.items():
        (PICTURES / f"{name}.svg").write_text(svg, encoding="utf-8")
    missing: Sequence[str] = [subject.name for subject in SUBJECTS if subject.name not in drawn]
    sys.stdout.write(f"{len(drawn)} pictures in {PICTURES}; no example of: {', '.join(missing) or 'none'}\n")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
