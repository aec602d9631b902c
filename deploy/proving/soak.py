"""`make soak`: two recorded sessions, replayed for ten minutes at twice what the publisher can take, and disturbed.

The Bitcoin sessions of August 2024 (spot and perpetual) are played by sandbox exchanges; an embedded broker holds each
ingest process to half of what its session offers; every 20 s each exchange cuts its connection; for 60 s the broker
is stopped. At the end nothing may be missing. The findings are written to docs/reports/soak.md; exit 1 if one failed.
"""

import argparse
import asyncio
import json
import logging
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from deploy.proving.outcome import outcome
from deploy.proving.report import machine, table, write
from deploy.proving.sampling import Watched
from deploy.proving.sessions import Session, session
from deploy.proving.soak_findings import Played, charted, findings
from deploy.proving.street import Street, every
from libs.common.bus.admin import ensure_topics
from libs.common.bus.topics import TOPICS
from libs.common.runtime.clock import now_ns

log = logging.getLogger("csx.soak")

CUT_EVERY_S: Final = 20.0
LAST_CUT: Final = 0.98
"""Share of a session after which it is not cut any more: nothing would come that begins the book again."""
STOP_AT: Final = 0.4
"""Share of the run after which the broker is stopped."""
OVERLOAD: Final = 2.0
_DRAIN_WITHIN_S: Final = 1500.0
_QUIET_S: Final = 30
"""Nothing waits and nothing is published for so long: it is over. A publication may take long at this rate."""


class Course(Struct, frozen=True, kw_only=True):
    """What is done, and when."""

    seconds: float
    broker_stop_s: float
    bytes_per_s: float
    """What the broker takes of one producer."""


def sessions(folder: Path) -> list[Session]:
    """Return the two sessions below `folder`."""
    spot = [folder / "binance_spot" / f"2024-08-0{day}_btcusdt.gz" for day in (8, 9)]
    return [
        session("binance-spot", "BTC-USDT", spot),
        session("binance-usdm", "BTC-USDT-PERP", [folder / "binance_usdm" / "2024-08-08_btcusdt.gz"]),
    ]


def run(course: Course, markets: Sequence[Session], folder: Path) -> list[Played]:
    """Run the course; return what came of each market."""
    with Street(folder, broker_options=("--producer-byte-rate", f"{course.bytes_per_s:.0f}")) as street:
        asyncio.run(ensure_topics(street.bootstrap, TOPICS))
        speeds = {one.venue: one.seconds / course.seconds for one in markets}
        watched = {one.venue: _start(street, one, speeds[one.venue]) for one in markets}
        _disturb(street, course, markets, list(watched.values()))
        drained_s, finished = _drain(street, markets, list(watched.values()))
        log.info("drained after %.0f s more", drained_s)
        played = []
        for one in markets:
            path = f"book?venue={one.venue}&symbol={one.symbol}"
            played.append(
                Played(
                    session=one,
                    speed=speeds[one.venue],
                    watched=watched[one.venue],
                    status=street.status(one.venue),
                    book=json.loads(street.control(one.venue, path)),
                    outcome=asyncio.run(outcome(street.bootstrap, one.venue, one.symbol)),
                    drained_s=drained_s,
                    finished_ns=finished[one.venue],
                )
            )
        return played


def _start(street: Street, market: Session, speed: float) -> Watched:
    files = [str(path) for path in market.files]
    options = ["--recording", *files, "--venue", market.venue, "--speed", f"{speed:.4f}"]
    port = street.exchange(market.venue, options)
    settings = {
        "CSX_INGEST_SYMBOLS": market.symbol,
        "CSX_INGEST_STREAMS": "trades,books",
        "CSX_INGEST_TRADE_CHANNEL": "trade",
        "CSX_INGEST_ORIGIN": "recorded",
        "CSX_INGEST_HISTORY_BARS": "0",
    }
    log.info("%s plays %s at speed %.2f", market.venue, market.symbol, speed)
    return street.ingest(market.venue, port, settings)


def _disturb(street: Street, course: Course, markets: Sequence[Session], watched: Sequence[Watched]) -> None:
    venues = [one.venue for one in markets]
    cut_s, stopped_s, away = CUT_EVERY_S, course.seconds * STOP_AT, False

    def step(now_s: float) -> None:
        nonlocal cut_s, away
        for one in watched:
            one.look(now_s)
        if now_s >= cut_s:
            cut_s += CUT_EVERY_S
            for venue in venues:
                status = street.status(venue)
                if int(status.get("played", 0)) > LAST_CUT * int(status.get("total", 1)):
                    continue
                script = [{"kind": "disconnect", "venue": venue}]
                street.control(venue, "faults", json.dumps(script).encode())
        if not away and stopped_s <= now_s < stopped_s + course.broker_stop_s:
            away = True
            log.info("the broker stops")
            street.broker.stop()
        elif away and now_s >= stopped_s + course.broker_stop_s:
            away = False
            log.info("the broker starts again")
            street.start_broker()

    every(1.0, course.seconds, step)


def _drain(street: Street, markets: Sequence[Session], watched: Sequence[Watched]) -> tuple[float, dict[str, int]]:
    """Wait until everything was played and published; return for how long, and when each exchange had played all."""
    began_s = time.monotonic()
    ended: dict[str, int] = {}
    quiet = 0
    before = -1.0
    while time.monotonic() - began_s < _DRAIN_WITHIN_S and quiet < _QUIET_S:
        time.sleep(1.0)
        for market in markets:
            if market.venue not in ended and street.status(market.venue).get("finished"):
                ended[market.venue] = now_ns()
        finished = len(ended) == len(markets)
        samples = [one.look(-1.0) for one in watched]
        for one in watched:
            one.samples = [sample for sample in one.samples if sample.at_s >= 0]
        published = sum(sample.metrics.get("csx_ingest_published_total", 0.0) for sample in samples if sample)
        waiting = sum(
            sample.metrics.get(f"csx_ingest_{name}_events", 0.0)
            for sample in samples
            if sample
            for name in ("spill", "buffer")
        )
        quiet = quiet + 1 if finished and not waiting and published == before else 0
        before = published
    for one in watched:
        one.look(time.monotonic() - began_s + 10**6)
    return time.monotonic() - began_s, ended | {one.venue: now_ns() for one in markets if one.venue not in ended}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, write the report, say what was found."""
    parser = argparse.ArgumentParser(prog="python -m deploy.proving.soak", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/raw"), help="where the recordings are")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--broker-stop-s", type=float, default=60.0)
    parser.add_argument("--report", type=Path, default=Path("docs/reports/soak.md"))
    parser.add_argument("--keep", type=Path, help="keep logs and topics there")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(message)s")
    markets = sessions(options.data)
    seconds = options.minutes * 60
    course = Course(
        seconds=seconds,
        broker_stop_s=options.broker_stop_s,
        bytes_per_s=min(one.bytes for one in markets) / seconds / OVERLOAD,
    )
    with tempfile.TemporaryDirectory(prefix="csx-soak-") as temporary:
        played = run(course, markets, options.keep or Path(temporary))
    found = findings(played, course.seconds / CUT_EVERY_S)
    offered = ", ".join(f"{one.session.bytes / course.seconds:,.0f} by {one.session.venue}" for one in played)
    told = (
        f"{options.minutes:g} minutes, each exchange cut every {CUT_EVERY_S:g} s, the broker stopped for "
        f"{course.broker_stop_s:g} s. The broker took {course.bytes_per_s:,.0f} bytes/s of each producer, and the "
        f"sessions offered at least {OVERLOAD:g} times that: {offered}. What was left over at the end was drained in "
        f"{max(one.drained_s for one in played):.0f} s. Run on {machine()} by `make soak`."
    )
    write(
        options.report, "Soak: overload, cut connections, a broker that is away", [told, table(found), charted(played)]
    )
    sys.stdout.write(table(found) + "\n")
    return 0 if all(one.held for one in found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
