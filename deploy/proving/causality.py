"""`make causality`: the engine over the recorded BTC sessions of August 2024, cut and poisoned at random moments.

Cut: every prefix of a random 300 is replayed by a fresh engine; what it says must be what the whole session says up
to there. Poisoned: after each of 300 random moments everything is replaced by other prices, sizes, sides and books;
what is said of the time up to that moment must stay, although bars close, and are judged, up to seconds later.
"""

import argparse
import os
import random
import sys
from collections.abc import Iterator, Sequence
from multiprocessing import Pool
from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from deploy.proving.report import Finding, machine, table, write
from deploy.proving.warm import history
from libs.common.bus.codec import encode
from libs.common.events import (
    MINUTE_NS,
    SECOND_NS,
    BookDelta,
    BookSnapshot,
    Candle,
    LayerReading,
    Level,
    MarketEvent,
    Side,
    Signal,
    Trade,
)
from services.ingest.recording.normalize import Normalizer
from services.signals.engine.closing import Output
from services.signals.engine.config import EngineConfig
from services.signals.engine.engine import Engine

DATA: Final = Path(os.environ.get("CSX_TEST_DATA", "../shared/data"))
REPORT: Final = Path("docs/reports/causality.md")
SESSIONS: Final = {
    "binance-spot": ("binance_spot/2024-08-08_btcusdt.gz", "binance_spot/2024-08-09_btcusdt.gz"),
    "binance-usdm": ("binance_usdm/2024-08-08_btcusdt.gz",),
}
_SETTLED_NS: Final = 5 * SECOND_NS
"""By then every bar that ends before a moment is closed and judged."""


class Recorded(Struct, frozen=True):
    """One session, and the closed candles before it."""

    before: list[Candle]
    events: list[MarketEvent]


def recorded(venue: str, data: Path = DATA) -> Recorded:
    """Read one session."""
    events = list(Normalizer(venue, [data / "raw" / name for name in SESSIONS[venue]]).run())
    first = next(event for event in events if isinstance(event, Trade))
    return Recorded(history(data, events[0], first.price), events)


def warm(session: Recorded) -> Engine:
    """Return an engine that knows the candles before the session."""
    engine = Engine(EngineConfig())
    for candle in session.before:
        engine.apply(candle)
    return engine


def ends(session: Recorded) -> tuple[list[bytes], list[int]]:
    """Return everything that is said, and how much of it after each event."""
    engine, said, after = warm(session), [], []
    for event in session.events:
        said += [encode(output) for output in engine.apply(event)]
        after.append(len(said))
    return said, after


def poisoned(events: Sequence[MarketEvent], seed: int) -> Iterator[MarketEvent]:
    """Yield the same happenings at the same times with other contents: the tape turned round and 7 % higher."""
    chance = random.Random(seed)  # noqa: S311  # repeatable poison
    for event in events:
        if isinstance(event, Trade):
            side = Side.SELL if event.side is Side.BUY else Side.BUY
            yield replace(event, price=event.price * 1.07, size=event.size * chance.uniform(2, 9), side=side)
        elif isinstance(event, BookDelta | BookSnapshot):
            yield replace(event, bids=_other(event.bids, chance), asks=_other(event.asks, chance))
        else:
            yield event


def _other(levels: Sequence[Level], chance: random.Random) -> tuple[Level, ...]:
    return tuple((price, size * chance.uniform(0, 40)) for price, size in levels)


def said_up_to(outputs: Sequence[Output], until_ns: int) -> list[bytes]:
    """Return what is said of the time up to `until_ns`; of a candle, of its whole span."""
    kept: list[bytes] = []
    for output in outputs:
        as_of_ns = output.as_of_ns if isinstance(output, LayerReading | Signal) else output.close_ns
        if as_of_ns <= until_ns:
            kept.append(encode(output))
    return kept


class Poisoned(Struct):
    """What the poison did."""

    points: int
    compared: int = 0
    """Outputs that speak of the time before it."""
    changed: int = 0
    """Of those, the ones it changed."""
    bitten: int = 0
    """Outputs of the time after it that it changed: it does bite."""


def poison(session: Recorded, points: int, seed: int) -> Poisoned:
    """Poison after each of `points` random events, and around every turn of a minute.

    One engine goes through the session; at each point it is copied, and the copy is given the poisoned continuation
    until every bar that ends before the point is judged.
    """
    wanted = _points(session, points, seed)
    engine, at, found = warm(session), 0, Poisoned(len(wanted))
    for point in wanted:
        for event in session.events[at:point]:
            engine.apply(event)
        at = point
        now_ns = max(session.events[point - 1].event_ns, 0)
        rest = _until(session.events[point:], now_ns + _SETTLED_NS)
        state = engine.dump()
        true, false = Engine.load(state), Engine.load(state)
        honest = [output for event in rest for output in true.apply(event)]
        bad = [output for event in poisoned(rest, point) for output in false.apply(event)]
        lines = said_up_to(honest, now_ns)
        found.compared += len(lines)
        found.changed += differing(lines, said_up_to(bad, now_ns))
        found.bitten += differing([encode(one) for one in honest], [encode(one) for one in bad])
    return found


def differing(wanted: Sequence[bytes], found: Sequence[bytes]) -> int:
    """Return in how many places two sequences differ."""
    return sum(one != other for one, other in zip(wanted, found, strict=False)) + abs(len(wanted) - len(found))


def _points(session: Recorded, points: int, seed: int) -> list[int]:
    chance = random.Random(seed)  # noqa: S311  # repeatable points
    times = [event.event_ns // MINUTE_NS for event in session.events]
    turns = [at for at in range(1, len(times)) if times[at] > times[at - 1]]
    near = {at + away for at in turns for away in (0, 1, 2) if at + away < len(times)}
    return sorted(near | set(chance.sample(range(1, len(times)), min(points, len(times) - 1))))


def _until(events: Sequence[MarketEvent], end_ns: int) -> list[MarketEvent]:
    """Return `events` until one is after `end_ns`, at most."""
    found: list[MarketEvent] = []
    for event in events:
        found.append(event)
        if event.event_ns > end_ns:
            break
    return found


def cut(session: Recorded, points: int, seed: int, workers: int) -> tuple[int, int]:
    """Replay `points` random prefixes with fresh engines; return (outputs compared, outputs that differ)."""
    said, after = ends(session)
    chance = random.Random(seed)  # noqa: S311  # repeatable lengths
    lengths = chance.sample(range(1, len(session.events)), points)
    with Pool(workers, _share, (session, said, after)) as pool:
        found = pool.map(_prefix, lengths, chunksize=1)
    return sum(compared for compared, _ in found), sum(differ for _, differ in found)


_shared: dict[str, tuple[Recorded, list[bytes], list[int]]] = {}


def _share(session: Recorded, said: list[bytes], after: list[int]) -> None:
    _shared["all"] = (session, said, after)


def _prefix(length: int) -> tuple[int, int]:
    session, said, after = _shared["all"]
    engine = warm(session)
    found = [encode(output) for event in session.events[:length] for output in engine.apply(event)]
    wanted = said[: after[length - 1]]
    return len(wanted), differing(wanted, found)


def main() -> int:
    """Cut, poison, write the report, say what changed."""
    parser = argparse.ArgumentParser(prog="make causality", description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, default=REPORT)
    options = parser.parse_args()
    if not DATA.is_dir():
        sys.stderr.write(f"no recordings in {DATA}: set CSX_TEST_DATA\n")
        return 2
    findings: list[Finding] = []
    for venue in SESSIONS:
        session = recorded(venue)
        what = f"{venue}, BTC, {len(session.events):,} events"
        compared, differ = cut(session, options.points, options.seed, options.workers)
        findings.append(_finding(f"{what}: {options.points} prefixes replayed", compared, differ))
        done = poison(session, options.points, options.seed)
        findings.append(_finding(f"{what}: poisoned after {done.points} moments", done.compared, done.changed))
        findings.append(
            Finding("outputs of later times that the poison changed", "some", f"{done.bitten:,}", done.bitten > 0)
        )
    write(
        options.out,
        "Nothing published depends on what came later",
        [f"{machine()}. `make causality`.", table(findings)],
    )
    sys.stdout.write(table(findings) + "\n")
    return 0 if all(one.held for one in findings) else 1


def _finding(what: str, compared: int, differ: int) -> Finding:
    return Finding(what, "0 outputs differ", f"{differ} of {compared:,}", not differ and compared > 0)


if __name__ == "__main__":
    sys.exit(main())
