"""A file's bars in, every structure that was ever known in them out, with all its states, in the order of knowing."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from msgspec import Struct
from msgspec.structs import replace

from libs.common.events import SECOND_NS, Timeframe
from services.signals.engine.bars import Bar
from services.signals.engine.indicators import Indicators
from services.signals.engine.parameters.smc import SmcParameters
from services.signals.engine.structure.smart_money import SmartMoney
from services.signals.engine.structure.terms import Structure


class State(Struct, frozen=True):
    """A state, and the close at which it was reached."""

    state: str
    at: str
    at_ns: int


class Listed(Struct, frozen=True, kw_only=True):
    """One structure as it is printed; prices in quote currency, times RFC 3339 and nanoseconds."""

    structure_id: str
    kind: str
    side: int
    bar: int
    """Row of the bar it is drawn at, from 0, counted in bars of the timeframe asked for."""
    low: float
    high: float
    formed_at: str
    known_at: str
    formed_ns: int
    known_ns: int
    size_atr: float | None
    volume: float | None
    delta: float | None
    state: str
    history: list[State]


def told(parameters: SmcParameters, swing_length: int | None, min_gap_atr: float | None) -> SmcParameters:
    """Return the parameters with what a command was given in their place."""
    if swing_length is not None:
        parameters = replace(parameters, swing_left=swing_length - 1, swing_right=swing_length, peer_pivots=True)
    if min_gap_atr is not None:
        parameters = replace(parameters, min_gap_atr=min_gap_atr)
    return parameters


def structures(bars: Sequence[Bar], timeframe: Timeframe, parameters: SmcParameters, *, anew: bool) -> Iterator[Listed]:
    """Yield all structures of `bars`; with `anew` everything begins again where a bar is missing."""
    runs: list[list[Bar]] = []
    for bar in bars:
        if not runs or (anew and runs[-1][-1].open_ns + timeframe.ns != bar.open_ns):
            runs.append([])
        runs[-1].append(bar)
    first = 0
    for run in runs:
        memory, indicators, found = SmartMoney.new(parameters), Indicators(), []
        for bar in run:
            found += memory.add(bar, bar.open_ns + timeframe.ns, indicators.add(bar).atr_14)
        yield from (_listed(structure, first) for structure in found)
        first += len(run)


def _listed(structure: Structure, first: int) -> Listed:
    return Listed(
        structure_id=structure.structure_id,
        kind=structure.kind,
        side=structure.side,
        bar=first + structure.bar,
        low=structure.low,
        high=structure.high,
        formed_at=_at(structure.formed_ns),
        known_at=_at(structure.known_ns),
        formed_ns=structure.formed_ns,
        known_ns=structure.known_ns,
        size_atr=structure.size_atr,
        volume=structure.volume,
        delta=structure.delta,
        state=structure.state,
        history=[State(moment.state, _at(moment.at_ns), moment.at_ns) for moment in structure.history],
    )


def _at(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns // SECOND_NS, UTC).isoformat().replace("+00:00", "Z")
