"""`make bench`, the alerts: from a verdict on its topic to the request at Telegram, beside a running system.

The service is the real one, over the embedded broker and PostgreSQL, to the strict fake; two hundred chats, each with
a rule of its own. Telegram's overall limit is below fifty a second, so the fake plays one that a bot has paid for, and
`CSX_ALERTS_OVERALL_PER_S` says so to the service. The report is written to docs/reports/bench-alerts.md.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Final

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from deploy.local.broker.launch import EmbeddedBroker
from deploy.local.children import Child, free_port, is_open
from deploy.local.postgres import EmbeddedPostgres
from deploy.local.sandbox.telegram import FakeTelegram
from deploy.proving.messages import Sender, verdicts
from deploy.proving.messages_findings import Plan
from deploy.proving.report import Finding, machine, table, write
from libs.common.bus import topics
from libs.common.bus.admin import ensure_topics
from libs.common.bus.publisher import Publisher
from libs.common.events import AlertRule, Verdict
from libs.common.runtime.clock import monotonic_s, now_ns

REPORT: Final = Path("docs/reports/bench-alerts.md")
LIMIT_S: Final = 1.0
_TOKEN: Final = "7000000001:sandbox"
_CHATS: Final = 200
_PAID_PER_S: Final = 1_000
_WARM_S: Final = 30.0
"""Load that is not counted: the system beside it has started by then."""
_ROOT: Final = Path(__file__).resolve().parents[2]


class Measured(Struct, frozen=True):
    """One run."""

    seconds: list[float]
    """From the publisher's call to the fake's receipt, by alert."""
    missing: int


def of_chat(pattern: Verdict, number: int) -> Verdict:
    """Return a new verdict that one chat's rule wants."""
    symbol, at_ns = f"S{number % _CHATS}-USDT", now_ns()
    signal = replace(pattern.signal, symbol=symbol, signal_id=f"bench-{number}", as_of_ns=at_ns, known_at_ns=at_ns)
    return replace(pattern, symbol=symbol, signal=signal, decided_ns=at_ns)


async def measure(rate: int, seconds: float, folder: Path) -> Measured:
    """Publish `rate` verdicts a second for `seconds`, after a warm-up; return how long each took."""
    broker, postgres = EmbeddedBroker(folder / "broker.log"), EmbeddedPostgres(folder / "postgres.log", durable=False)
    fake = FakeTelegram(_TOKEN, lambda _line: None)
    fake.bot.floods.overall_per_s = _PAID_PER_S
    sender: Sender | None = None
    try:
        bootstrap, dsn = broker.start(folder, free_port()), postgres.start(folder, free_port())
        await fake.start()
        await ensure_topics(bootstrap, topics.TOPICS)
        sender = Sender(
            {
                "CSX_KAFKA_BOOTSTRAP": bootstrap,
                "CSX_POSTGRES_DSN": dsn,
                "CSX_ALERTS_TELEGRAM_TOKEN": _TOKEN,
                "CSX_ALERTS_TELEGRAM_URL": fake.url,
                "CSX_ALERTS_OVERALL_PER_S": str(_PAID_PER_S),
                "CSX_ALERTS_PER_H": "0",
                "CSX_ALERTS_UPDATES": "off",
                "CSX_INSTANCE": "alerts-0",
            },
            folder / "alerts.log",
        )
        sender.start()
        return await _published(bootstrap, fake, rate, seconds)
    finally:
        if sender is not None:
            sender.stop()
        await fake.stop()
        broker.stop()
        postgres.stop()


async def _published(bootstrap: str, fake: FakeTelegram, rate: int, seconds: float) -> Measured:
    (pattern,) = verdicts(Plan(chats=1, signals=1, kills=0, seed=1, long_wait_s=0))
    publisher = Publisher(bootstrap, "bench")
    await publisher.start()
    said: dict[str, float] = {}
    try:
        await publisher.publish(
            [AlertRule(rule_id=f"r{n}", recipient=str(5_000_000 + n), symbols=(f"S{n}-USDT",)) for n in range(_CHATS)]
        )
        first = of_chat(pattern, 0)
        await publisher.publish([first])
        await _until(fake, 1, 60.0)
        began_s, number = monotonic_s(), 1
        while (ahead_s := (number - 1) / rate) < _WARM_S + seconds:
            await asyncio.sleep(max(0.0, began_s + ahead_s - monotonic_s()))  # the load, not a wait
            one = of_chat(pattern, number)
            if ahead_s >= _WARM_S:
                said[one.signal.signal_id] = monotonic_s()
            await publisher.publish([one])
            number += 1
        await _until(fake, number, 30.0)
    finally:
        await publisher.stop()
    arrived = {message.text.rsplit("Signal ", 1)[1]: message.at_s for message in fake.bot.accepted}
    return Measured(
        [arrived[name] - at_s for name, at_s in said.items() if name in arrived],
        sum(name not in arrived for name in said),
    )


async def _until(fake: FakeTelegram, count: int, within_s: float) -> None:
    deadline_s = monotonic_s() + within_s
    while len(fake.bot.accepted) < count and monotonic_s() < deadline_s:  # noqa: ASYNC110  (another process sends)
        await asyncio.sleep(0.01)


def main() -> int:
    """Measure, write the report, say what was missed."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--alone", action="store_true", help="without a running system beside it")
    parser.add_argument("--out", type=Path, default=REPORT)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="csx-bench-") as name:
        folder = Path(name)
        port = free_port()
        place = ["--port", str(port), "--data-dir", str(folder / "up")]
        command = [sys.executable, "-m", "deploy.cli", "up", *place]
        beside = Child("up", command, output=folder / "up.log", cwd=_ROOT)
        if not options.alone:
            beside.start()
        try:
            found = asyncio.run(measure(options.rate, options.seconds, folder))
            served = is_open(port)
        finally:
            beside.stop()
    half, most = (float(np.quantile(found.seconds, share)) for share in (0.5, 0.99))
    findings = [
        Finding(
            f"verdict on the topic to request at Telegram, {options.rate}/s for {options.seconds:g} s, p50 and p99",
            f"p99 under {LIMIT_S:g} s",
            f"{half * 1e3:.0f} and {most * 1e3:.0f} ms: {most / LIMIT_S:.2f} of the limit",
            most < LIMIT_S,
        ),
        Finding(
            "the system beside it",
            "absent" if options.alone else "serves",
            "serves" if served else "absent",
            served != options.alone,
        ),
        Finding("alerts that did not arrive", "0", str(found.missing), not found.missing),
    ]
    about = "alone" if options.alone else "beside a whole `csx up`"
    write(options.out, "From a verdict to Telegram", [f"{machine()}. `make bench`, {about}.", table(findings)])
    sys.stdout.write(table(findings) + "\n")
    return 0 if all(one.held for one in findings) else 1


if __name__ == "__main__":
    sys.exit(main())
