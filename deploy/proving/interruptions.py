"""`make chaos`: the signals worker killed a hundred times, then two workers that take markets from each other.

Made-up markets go over Apache Kafka. Each stage of them is published, the worker started, and killed with SIGKILL at a
random moment; later two workers share the topics while one of them leaves and comes back. At the end every signal
on its topic must have the bytes that one uninterrupted engine makes. Findings: docs/reports/chaos.md; exit 1 if one
failed.
"""

import argparse
import asyncio
import logging
import os
import random
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from deploy.local.broker.launch import EmbeddedBroker
from deploy.local.children import Child, free_port
from deploy.local.kafka import ApacheKafka
from deploy.proving.invented import Invented
from deploy.proving.report import Finding, machine, table, write
from deploy.proving.verdict import Said, covered, expected, said
from libs.common.bus import topics
from libs.common.bus.admin import ensure_topics
from libs.common.bus.codec import encode
from libs.common.bus.publisher import Publisher
from libs.common.bus.reading import Reader
from libs.common.events import MarketEvent, Signal
from libs.common.runtime.clock import monotonic_s
from libs.common.runtime.errors import CheckFailed
from services.signals.engine.config import EngineConfig
from services.signals.engine.engine import Engine

log = logging.getLogger("csx.chaos")

MARKETS: Final = (
    ("okx", "AAA-USDT"),
    ("bybit", "AAA-USDT"),
    ("okx", "BBB-USDT-PERP"),
    ("binance-usdm", "CCC-USDT-PERP"),
    ("binance-spot", "DDD-USDT"),
    ("okx", "EEE-USDT"),
)
REPORT: Final = Path("docs/reports/chaos.md")
_SNAPSHOT_EVERY_S: Final = 0.5
_WITHIN_S: Final = 180.0


class Worker:
    """One process of the signals service."""

    def __init__(self, bootstrap: str, output: Path, instance: str | None) -> None:
        self.log = output
        environment = {key: value for key, value in os.environ.items() if not key.startswith("CSX_")}
        environment |= {
            "CSX_KAFKA_BOOTSTRAP": bootstrap,
            "CSX_SIGNALS_SNAPSHOT_EVERY_S": str(_SNAPSHOT_EVERY_S),
        }
        if instance is not None:
            environment["CSX_INSTANCE"] = instance
        self._environment = environment
        self._child: Child | None = None

    def start(self) -> None:
        """Start the process."""
        command = [sys.executable, "-m", "services.signals"]
        self._child = Child("signals", command, output=self.log, env=self._environment)
        self._child.start()

    def kill(self) -> None:
        """End it without a word."""
        assert self._child, "start it first"
        if self._child.exit_code is not None:
            raise CheckFailed(f"the worker ended by itself with {self._child.exit_code}: see {self.log}")
        os.kill(self._child.pid, signal.SIGKILL)
        self._child.stop()

    def stop(self) -> None:
        """End it as an operator would; nothing happens when it is not running."""
        if self._child is not None and self._child.alive:
            self._child.stop()

    @property
    def takeovers(self) -> int:
        """How often it was given partitions."""
        return self.log.read_text(encoding="utf-8").count("took partitions") if self.log.exists() else 0


def market_events(minutes: int) -> list[MarketEvent]:
    """Return the events of all markets in the order of their receipt."""
    made = [event for n, (venue, symbol) in enumerate(MARKETS) for event in Invented(venue, symbol, n).events(minutes)]
    return sorted(made, key=lambda event: event.received_ns)


async def publish(publisher: Publisher, events: Sequence[MarketEvent]) -> None:
    """Publish in order, a thousand at a time."""
    for start in range(0, len(events), 1_000):
        await publisher.publish(events[start : start + 1_000])


async def killed(
    publisher: Publisher,
    reader: Reader,
    worker: Worker,
    events: Sequence[MarketEvent],
    kills: int,
    chance: random.Random,
) -> None:
    """Publish `events` in stages while no worker lives; kill one at a random moment of each stage."""
    size = -(-len(events) // kills)
    for n in range(kills):
        await publish(publisher, events[n * size : (n + 1) * size])
        before = await _signals(reader)
        worker.start()
        if chance.random() < 0.2:  # while it starts or recovers
            await asyncio.sleep(chance.uniform(0.2, 1.5))
        else:
            await _until_signals(reader, before + chance.randrange(1, 40), within_s=chance.uniform(1.5, 6.0))
        worker.kill()
        if n % 10 == 9:
            log.warning("killed", extra={"times": n + 1})


async def shared(
    publisher: Publisher, reader: Reader, workers: Sequence[Worker], events: Sequence[MarketEvent], moves: int
) -> int:
    """Feed `events` slowly to two workers, of which one after the other leaves and comes back; return the moves."""
    feeding = asyncio.create_task(_feed(publisher, events, moves))
    for worker in workers:
        worker.start()
    await _until_taken(workers[1], 0)
    done = 0
    while done < moves:
        leaving, staying = workers[done // 2 % 2], workers[1 - done // 2 % 2]
        taken = staying.takeovers
        leaving.stop()
        await _until_taken(staying, taken)
        taken = leaving.takeovers
        leaving.start()
        await _until_taken(leaving, taken)
        done += 2
        log.warning("moved", extra={"times": done})
    await feeding
    await _until_covered(reader)
    for worker in workers:
        worker.stop()
    return done


async def _feed(publisher: Publisher, events: Sequence[MarketEvent], moves: int) -> None:
    """Publish evenly over about four seconds a move."""
    size = max(1, len(events) // (moves * 40))
    for start in range(0, len(events), size):
        await publish(publisher, events[start : start + size])
        await asyncio.sleep(0.1)


async def _signals(reader: Reader) -> int:
    return sum([(await reader.bounds(topics.SIGNALS, number))[1] for number in range(topics.SIGNALS.partitions)])


async def _until_signals(reader: Reader, number: int, within_s: float) -> None:
    deadline_s = monotonic_s() + within_s
    while await _signals(reader) < number and monotonic_s() < deadline_s:  # noqa: ASYNC110  # another process's doing
        await asyncio.sleep(0.01)


async def _until_taken(worker: Worker, before: int) -> None:
    deadline_s = monotonic_s() + _WITHIN_S
    while worker.takeovers <= before:
        if monotonic_s() > deadline_s:
            raise CheckFailed(f"no partitions were taken within {_WITHIN_S:.0f} s: see {worker.log}")
        await asyncio.sleep(0.1)


async def _until_covered(reader: Reader) -> None:
    deadline_s = monotonic_s() + _WITHIN_S
    while not await covered(reader):
        if monotonic_s() > deadline_s:
            raise CheckFailed(f"not everything was folded within {_WITHIN_S:.0f} s")
        await asyncio.sleep(0.5)


def uninterrupted(events: Sequence[MarketEvent]) -> dict[str, bytes]:
    """Return the signals of one engine that is given `events` in order."""
    engine = Engine(EngineConfig())
    made = [output for event in events for output in engine.apply(event)]
    return {output.signal_id: encode(output) for output in made if isinstance(output, Signal)}


async def run(bootstrap: str, folder: Path, options: argparse.Namespace) -> list[Finding]:
    """Kill, share, compare."""
    await ensure_topics(bootstrap, topics.TOPICS)
    events = market_events(options.minutes)
    cut = len(events) * 2 // 3
    chance = random.Random(options.seed)  # noqa: S311  # moments to kill at, repeatable
    publisher = Publisher(bootstrap, "csx-chaos")
    await publisher.start()
    async with Reader(bootstrap, "csx-chaos") as reader:
        lone = Worker(bootstrap, folder / "lone.log", "0")
        pair = [Worker(bootstrap, folder / f"worker-{n}.log", None) for n in range(2)]
        try:
            await killed(publisher, reader, lone, events[:cut], options.kills, chance)
            lone.start()
            await _until_covered(reader)
            lone.stop()
            after_kills = await said(reader)
            moves = await shared(publisher, reader, pair, events[cut:], options.rebalances)
        finally:
            for worker in (lone, *pair):
                worker.stop()
        everything = await said(reader)
        whole, folded, overlaps = await expected(reader)
    await publisher.stop()
    takeovers = sum(worker.takeovers for worker in pair)
    return [
        *_alike(
            f"{options.kills} kills: against an engine that reads the markets in order",
            after_kills,
            uninterrupted(events[:cut]),
        ),
        *_alike(f"{moves} leavings and returns: against an engine that folds the journal", everything, whole),
        Finding("events folded, each once", f"{len(events):,}", f"{folded:,}", folded == len(events)),
        Finding("journal entries of workers that had lost their partition", "passed over", f"{overlaps}", True),
        Finding("partitions changed hands", f"at least {moves} times", f"{takeovers} times", takeovers >= moves),
    ]


def _alike(what: str, found: Said, wanted: dict[str, bytes]) -> list[Finding]:
    missing, strange = wanted.keys() - found.keys(), found.keys() - wanted.keys()
    differing = [one for one, forms in found.items() if one in wanted and forms != {wanted[one]}]
    return [
        Finding(
            f"{what}: signals",
            f"{len(wanted):,}",
            f"{len(found):,}, {len(missing)} missing, {len(strange)} strange",
            not missing and not strange,
        ),
        Finding(f"{what}: bytes", "all equal", f"{len(differing)} differ", not differing),
    ]


def main() -> int:
    """Run, write the report, say what failed."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--rebalances", type=int, default=20)
    parser.add_argument("--minutes", type=int, default=240, help="of each market")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--broker", choices=["native", "embedded"], default="native")
    parser.add_argument("--out", type=Path, default=REPORT)
    options = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="csx-chaos-") as name:
        folder = Path(name)
        broker = (
            ApacheKafka(folder / "kafka.log") if options.broker == "native" else EmbeddedBroker(folder / "broker.log")
        )
        try:
            findings = asyncio.run(run(broker.start(folder, free_port()), folder, options))
        finally:
            broker.stop()
    what = "Apache Kafka 4.3.1" if options.broker == "native" else "the embedded broker"
    intro = (
        f"`make chaos` over {what}: {len(MARKETS)} made-up markets of {options.minutes} minutes, seed {options.seed}."
        " The uninterrupted engine is this code's own, in another process, without broker, snapshots or journal."
    )
    write(options.out, "Kills and rebalances of the signals workers", [f"{machine()}.", intro, table(findings)])
    sys.stdout.write(table(findings) + "\n")
    return 0 if all(one.held for one in findings) else 1


if __name__ == "__main__":
    sys.exit(main())
