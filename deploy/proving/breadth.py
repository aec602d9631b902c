"""`make breadth`: 65 markets over four venues from the sandbox, followed by four ingest processes on one core.

The sandbox and an embedded broker share one core with the reader that measures; all ingest processes share another.
Every ten seconds it is noted how late trades and changed books were, what waits, and what the processes use. The
findings are written to docs/reports/breadth.md; exit 1 if one failed.
"""

import argparse
import asyncio
import logging
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import psutil
from msgspec import Struct

from deploy.local.options import duration
from deploy.local.sandbox.listings_many import MANY
from deploy.proving.arrivals import Arrivals, Window, follow
from deploy.proving.breadth_findings import MEDIAN_RISE_MS, NEWEST_MS, P99_RISE_MS, WARM_UP, Followed, charted, findings
from deploy.proving.report import machine, table, write
from deploy.proving.sampling import Watched
from deploy.proving.street import Street
from libs.common.bus.admin import ensure_topics
from libs.common.bus.topics import TOPICS
from libs.common.runtime.errors import InputError

log = logging.getLogger("csx.breadth")

VENUES: Final = tuple(dict.fromkeys(row.venue for row in MANY))
_SANDBOX: Final = "sandbox"


def cores() -> tuple[int, int]:
    """Return the core of ingest and the core of all others; the same one where there is no second."""
    allowed = sorted(os.sched_getaffinity(0))
    return allowed[-1], allowed[0]


class Ran(Struct, frozen=True, kw_only=True):
    """What a run showed."""

    followed: list[Followed]
    late_ms: list[float]
    """How far the exchange was behind the clock, at each look."""
    shares: dict[str, float]
    """Of a core after the warm-up, by process; `the rest of the machine` is whatever else ran."""


def measured(street: Street, seconds: float, every_s: float) -> Ran:
    """Follow all markets, this process on the core of the others meanwhile."""
    allowed = os.sched_getaffinity(0)
    try:
        return asyncio.run(run(street, seconds, every_s))
    finally:
        os.sched_setaffinity(0, allowed)


async def run(street: Street, seconds: float, every_s: float) -> Ran:
    """Follow all markets."""
    ours, others = cores()
    os.sched_setaffinity(0, {others})
    os.sched_setaffinity(street.broker.pid, {others})
    await ensure_topics(street.bootstrap, TOPICS)
    port = street.exchange(_SANDBOX, ["--markets", "65"], core=others)
    watched = {venue: _ingest(street, venue, port, ours) for venue in VENUES}
    pids = {_SANDBOX: street.pid(_SANDBOX), "broker": street.broker.pid, "reader": os.getpid()}
    pids |= {one.name: one.pid for one in watched.values()}
    arrivals = Arrivals()
    reading = asyncio.create_task(follow(street.bootstrap, arrivals))
    windows: dict[str, list[Window]] = {venue: [] for venue in VENUES}
    used: dict[str, float] = {}
    late_ms: list[float] = []
    began_s, used_at_s = time.monotonic(), 0.0
    for number in range(1, max(1, int(seconds / every_s)) + 1):
        await asyncio.sleep(max(0.0, began_s + number * every_s - time.monotonic()))
        now_s = time.monotonic() - began_s
        if not used and now_s > WARM_UP * seconds:
            used, used_at_s = _used(pids), now_s
        for venue in VENUES:
            windows[venue].append(arrivals.look(venue, now_s))
            await asyncio.to_thread(watched[venue].look, now_s)
        status = await asyncio.to_thread(street.status, _SANDBOX)
        late_ms.append(time.time() * 1e3 - int(str(status["market_ns"])) / 1e6)
        if reading.done():
            reading.result()
        _tell(windows)
    ended_s = time.monotonic() - began_s
    now = _used(pids)
    shares = {name: (now[name] - used[name]) / max(1e-9, ended_s - used_at_s) for name in now}
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    symbols = {venue: frozenset(row.symbol for row in MANY if row.venue == venue) for venue in VENUES}
    followed = [
        Followed(venue=venue, symbols=symbols[venue], windows=windows[venue], watched=watched[venue])
        for venue in VENUES
    ]
    return Ran(followed=followed, late_ms=late_ms, shares=shares)


def _ingest(street: Street, venue: str, port: int, core: int) -> Watched:
    settings = {
        "CSX_INGEST_SYMBOLS": ",".join(row.symbol for row in MANY if row.venue == venue),
        "CSX_INGEST_ORIGIN": "simulated",
        "CSX_INGEST_HISTORY_BARS": "100",
    }
    return street.ingest(venue, port, settings, core=core)


def _used(pids: dict[str, int]) -> dict[str, float]:
    """Return the CPU seconds so far of each process, and of whatever else runs on this machine."""
    used = {}
    for name, pid in pids.items():
        times = psutil.Process(pid).cpu_times()
        used[name] = times.user + times.system
    machine_s = psutil.cpu_times()
    return used | {"the rest of the machine": machine_s.user + machine_s.nice + machine_s.system - sum(used.values())}


def _tell(windows: dict[str, list[Window]]) -> None:
    newest = {venue: found[-1] for venue, found in windows.items()}
    words = ", ".join(
        f"{venue} {one.events} p50 {one.median_ms:.0f} p99 {one.p99_ms:.0f}" for venue, one in newest.items()
    )
    log.info("%.0f s: %s (ms)", newest[VENUES[0]].at_s, words)


def _seconds(text: str) -> float:
    try:
        return duration(text)
    except InputError as e:
        raise argparse.ArgumentTypeError(str(e)) from e


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, write the report, say what was found."""
    parser = argparse.ArgumentParser(prog="python -m deploy.proving.breadth", description=__doc__)
    parser.add_argument("--for", dest="lasting", type=_seconds, default=300.0, help="90s, 5m, 2h")
    parser.add_argument("--every", type=_seconds, default=10.0, help="between two looks")
    parser.add_argument("--report", type=Path, default=Path("docs/reports/breadth.md"))
    parser.add_argument("--keep", type=Path, help="keep logs and topics there")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(message)s")
    with (
        tempfile.TemporaryDirectory(prefix="csx-breadth-") as temporary,
        Street(options.keep or Path(temporary)) as street,
    ):
        ran = measured(street, options.lasting, options.every)
    followed, shares = ran.followed, ran.shares
    found = findings(followed, ran.late_ms, shares)
    ours, others = cores()
    where = "one core of its own" if ours != others else "the one core there is"
    told = (
        f"{sum(len(one.symbols) for one in followed)} markets over {len(followed)} venues for {options.lasting:g} s, "
        f"a look every {options.every:g} s. All ingest processes on {where}; the sandbox, the embedded broker and the "
        f"reader on {'another' if ours != others else 'the same'}. Run on {machine()} by `make breadth`."
    )
    rule = (
        "Lag is publish time (the record's own time stamp) minus event time (the venue's clock, here the same "
        f"machine's) of trades and changed books. No lag growth means: a line fitted through the windows (Theil-Sen), "
        f"the first {WARM_UP:.0%} of the run left out, rises over the run by less than {MEDIAN_RISE_MS:.0f} ms for the "
        f"median and {P99_RISE_MS:.0f} ms for p99, and the newest event that the broker has is never older than "
        f"{NEWEST_MS:.0f} ms."
    )
    title = "Breadth: 65 markets over four venues on one core"
    write(options.report, title, [told, rule, table(found), charted(followed, shares)])
    sys.stdout.write(table(found) + "\n" + charted(followed, shares) + "\n")
    return 0 if all(one.held for one in found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
