"""`make bench`, the gateway: mixed reads by 400 users, the hottest read beside two peers, stream clients, assistants.

The gateway is the real one of a whole `csx up` on the simulated market, on one core; load comes from another. Every
number is a ratio against a limit or a peer of the same run. The report is written to docs/reports/bench-gateway.md.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
import uvloop

from deploy.local.children import Child, free_port
from deploy.proving.report import Finding, machine, table, write
from tests.bench.gateway_assistants import ASKING, assistants
from tests.bench.gateway_http import Load, closed_loop, get, one, users
from tests.bench.gateway_streams import Heard, Listener, Loudspeaker, connect, everything, heard_by_all, usual
from tests.bench.gateway_system import ROOT, SERVER_CORE, System, pin

REPORT: Final = Path("docs/reports/bench-gateway.md")
TICKER: Final = "/v1/markets/BTC-USDT-PERP/ticker?venue=okx"
USERS: Final = 400
CLIENTS: Final = 1_000
SLOW: Final = 20
PATIENCE_S: Final = 60
"""A client that does not read is cut by then: its buffers are full, and ten seconds more have gone."""
SYMBOLS: Final = ("BTC-USDT-PERP", "ETH-USDT-PERP", "SOL-USDT-PERP", "BTC-USDT")

_BTC: Final = "/v1/markets/BTC-USDT-PERP"
_ETH: Final = "/v1/markets/ETH-USDT-PERP"
MIX: Final[tuple[tuple[int, str], ...]] = (
    (20, f"{_BTC}/ticker"),
    (8, f"{_ETH}/ticker"),
    (8, "/v1/markets"),
    (8, f"{_BTC}/candles?timeframe=1m&limit=100"),
    (4, f"{_ETH}/candles?timeframe=5m&limit=100"),
    (8, f"{_BTC}/book?depth=20"),
    (6, f"{_BTC}/trades?limit=50"),
    (6, f"{_BTC}/readings"),
    (6, f"{_BTC}/order-flow"),
    (4, f"{_BTC}/levels"),
    (4, f"{_BTC}/funding"),
    (8, "/v1/signals?limit=20"),
    (5, "/v1/screener?sort=score"),
    (3, "/v1/quality"),
    (2, "/v1/health"),
)
"""Weights and reads of the mixed load."""


async def rested(system: System, folding_s: float) -> Finding:
    """Measure memory before any client."""
    await asyncio.sleep(folding_s)
    resident = system.resident_mib()
    return Finding(
        f"resident memory after {folding_s:.0f} s of folding, before clients",
        "under 150 MiB",
        f"{resident:.0f} MiB: {resident / 150:.2f} of the limit",
        resident < 150,
    )


async def idle(system: System) -> Finding:
    """Measure what a client of the stream weighs: before any load, as freed memory would hide some of it later."""
    (key,) = await system.keys(1)
    clients: list[Listener] = []
    before = system.resident_mib()
    try:
        clients = await connect(system.place.port, key, Heard(), usual("BTC-USDT-PERP"), CLIENTS)
        await asyncio.sleep(4.0)
        each = (system.resident_mib() - before) * 1024 / CLIENTS
    finally:
        for client in clients:
            client.close()
    return Finding(
        f"memory of each of {CLIENTS} stream clients, idle",
        "under 40 KiB",
        f"{each:.1f} KiB: {each / 40:.2f} of the limit",
        each < 40,
    )


async def mixed(system: System, seconds: float) -> list[Finding]:
    """Play 400 users."""
    keys = await system.keys(USERS)
    port = system.place.port
    for _, path in MIX:
        status, body = await one(port, get(path, keys[0]))
        if status != 200:
            raise RuntimeError(f"{path}: {status} {body[:300]!r}")
    requests = [[get(path, key) for weight, path in MIX for _ in range(weight)] for key in keys]
    before, cpu_s = system.counters("csx_gateway_cache_total", "result"), system.cpu_s()
    load = await users(port, requests, think_s=1.0, warm_s=15.0, seconds=seconds, seed=7)
    after, cpu_s = system.counters("csx_gateway_cache_total", "result"), system.cpu_s() - cpu_s
    asked = {name: n - before.get(name, 0.0) for name, n in after.items()}
    hits = sum(n for name, n in asked.items() if name != "miss") / max(1.0, sum(asked.values()))
    p50, p95, p99 = quantiles(load, 0.5, 0.95, 0.99)
    about = f"{USERS} users, think time 1 s, {load.per_s:.0f} reads/s for {seconds:.0f} s"
    return [
        Finding(
            f"{about}: p50, p95, p99",
            "p95 under 50 ms",
            f"{p50:.1f}, {p95:.1f}, {p99:.1f} ms: {p95 / 50:.2f} of the limit",
            p95 < 50,
        ),
        Finding("its errors", "0", f"{load.errors} {words(load)}", not load.errors),
        Finding(
            "answers from the cache", "over 80 %", f"{hits:.1%} ({cpu_s / (seconds + 15):.0%} of a core)", hits > 0.8
        ),
    ]


async def hottest(system: System, folder: Path, *, rounds: int, seconds: float) -> list[Finding]:
    """Measure the ticker beside two peers, in turns."""
    (key,) = await system.keys(1)
    status, view = await one(system.place.port, get(TICKER, key))
    if status != 200:
        raise RuntimeError(f"{TICKER}: {status} {view[:300]!r}")
    kept = folder / "ticker.json"
    kept.write_bytes(view)
    peers = {name: peer(name, kept, folder) for name in ("fastapi", "litestar")}
    found: dict[str, list[float]] = {"ours": [], "fastapi": [], "litestar": []}
    errors = 0
    try:
        ports = {"ours": system.place.port} | {name: port for name, (_, port) in peers.items()}
        for name, port in ports.items():
            await opened(port, name)
            if name in peers:
                pin(peers[name][0].pid, SERVER_CORE)
        for _ in range(rounds):
            for name, port in ports.items():
                request = get(TICKER, key if name == "ours" else "")
                load = await closed_loop(port, request, connections=USERS, warm_s=1.0, seconds=seconds)
                found[name].append(load.per_s)
                errors += load.errors
    finally:
        for child, _ in peers.values():
            child.stop()
    ours, fast, bare = (statistics.median(found[name]) for name in ("ours", "fastapi", "litestar"))
    to_fast, to_bare = (  # of each round: the machine is not as fast in every minute
        statistics.median(a / b for a, b in zip(found["ours"], found[name], strict=True))
        for name in ("fastapi", "litestar")
    )
    return [
        Finding(
            f"ticker with a key, {USERS} connections, against FastAPI + uvicorn",
            "at least 2.0 times",
            f"{to_fast:.2f} times ({ours:,.0f}/s against {fast:,.0f}/s)",
            to_fast >= 2.0,
        ),
        Finding(
            "the same against bare Litestar + granian",
            "at least 0.6 times",
            f"{to_bare:.2f} times ({ours:,.0f}/s against {bare:,.0f}/s)",
            to_bare >= 0.6,
        ),
        Finding("errors of all three", "0", str(errors), not errors),
    ]


def peer(name: str, view: Path, folder: Path) -> tuple[Child, int]:
    """Start a peer; return it with its port."""
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.gateway_peers", name, str(port), str(view)]
    child = Child(name, command, output=folder / f"{name}.log", cwd=ROOT)
    child.start()
    return child, port


async def opened(port: int, name: str) -> None:
    """Wait until a server answers."""
    async with asyncio.timeout(30):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            writer.close()
            return


async def streams(system: System, seconds: float) -> list[Finding]:
    """Connect a thousand clients, then twenty that do not read."""
    (key,) = await system.keys(1)
    heard, port = Heard(), system.place.port
    speaker = Loudspeaker(system.place.bootstrap, heard)
    await speaker.start()
    clients: list[Listener] = []
    try:
        clients = await connect(port, key, heard, usual("BTC-USDT-PERP"), CLIENTS)
        await asyncio.sleep(4.0)
        await heard_by_all(heard, await speaker.say(5.0, 3.0), CLIENTS, 20.0)
        cpu_s = system.cpu_s()
        plain = await speaker.say(5.0, seconds)
        share = (system.cpu_s() - cpu_s) / seconds
        await heard_by_all(heard, plain, CLIENTS, 10.0)
        cuts = sum(system.counters("csx_gateway_stream_cut_total", "code").values())
        slow = await connect(port, key, Heard(), everything(SYMBOLS), SLOW, receive_bytes=4096)
        await asyncio.sleep(0.5)
        for client in slow:
            client.stop_reading()
        beside = await speaker.say(5.0, seconds)
        while (cut := sum(system.counters("csx_gateway_stream_cut_total", "code").values()) - cuts) < SLOW:
            if len(beside) > 5 * PATIENCE_S:
                break
            beside += await speaker.say(5.0, 2.0)
        await heard_by_all(heard, beside, CLIENTS, 10.0)
        clients += slow
        lost = sum(client.closed for client in clients[:CLIENTS])
    finally:
        for client in clients:
            client.close()
        await speaker.stop()
    alone_s = [took for n in plain for took in heard.took_s.get(n, [])]
    beside_s = [took for n in beside for took in heard.took_s.get(n, [])]
    if not alone_s or not beside_s:
        raise RuntimeError(f"no client heard a signal; {lost} of {CLIENTS} lost, {cut:.0f} cut")
    p50, p95, p99 = (float(np.quantile(alone_s, share)) * 1e3 for share in (0.5, 0.95, 0.99))
    p99_beside = float(np.quantile(beside_s, 0.99)) * 1e3
    missing = CLIENTS * len(plain) - len(alone_s)
    return [
        Finding(
            f"{CLIENTS} stream clients, 5 signals/s and a book each: from the topic to a client, p50, p95, p99",
            "p95 under 50 ms",
            f"{p50:.1f}, {p95:.1f}, {p99:.1f} ms: {p95 / 50:.2f} of the limit ({share:.0%} of a core)",
            p95 < 50,
        ),
        Finding("signals that a client missed, clients lost", "0, 0", f"{missing}, {lost}", not missing and not lost),
        Finding(
            f"{SLOW} clients that do not read: cut, and the others' p99",
            f"{SLOW} cut, p99 less than 20 % worse",
            f"{cut:.0f} cut, p99 {p99_beside:.1f} ms: {p99_beside / p99 - 1:+.0%}",
            cut >= SLOW and p99_beside < 1.2 * p99,
        ),
    ]


async def actions(system: System, seconds: float) -> list[Finding]:
    """Ask what assistants may ask."""
    return await assistants(system.place.port, await system.keys(ASKING), seconds)


def quantiles(load: Load, *shares: float) -> list[float]:
    """Return quantiles of a load in milliseconds."""
    return [float(np.quantile(load.took_s, share)) * 1e3 for share in shares]


def words(load: Load) -> str:
    """Return what was not answered well, in words."""
    bad = {status: n for status, n in load.statuses.items() if status != 200}
    return f"(by status {bad}, {load.lost} connections lost)" if load.errors else ""


async def measure(options: argparse.Namespace, system: System, folder: Path) -> list[Finding]:
    """Run the parts that were asked for."""
    findings = [await rested(system, options.folding), await idle(system)]
    parts = {
        "a": lambda: mixed(system, options.seconds),
        "b": lambda: hottest(system, folder, rounds=options.rounds, seconds=options.burst),
        "c": lambda: streams(system, options.listening),
        "d": lambda: actions(system, options.asking),
    }
    for name in options.parts:
        found = await parts[name]()
        findings += found
        sys.stdout.write("".join(f"{one.what}: {one.measured}\n" for one in found))
        sys.stdout.flush()
    return findings


def main() -> int:
    """Measure, write the report, say what was missed."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.splitlines()[0])
    parser.add_argument("--parts", default="abcd", help="a: users, b: the hottest read, c: streams, d: actions")
    parser.add_argument("--folding", type=float, default=60.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--burst", type=float, default=6.0)
    parser.add_argument("--listening", type=float, default=60.0)
    parser.add_argument("--asking", type=float, default=20.0)
    parser.add_argument("--out", type=Path, default=REPORT)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="csx-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # PostgreSQL runs as nobody
        with System(folder) as system:
            findings = uvloop.run(measure(options, system, folder))
    about = (
        f"{machine()}. `make bench`: the gateway of a whole `csx up` on the simulated market, on one core; load from "
        "the other, which the rest of the system shares and where the load and Valkey come first. A user asks, reads "
        "the answer, thinks for an exponential "
        "time with a mean of 1 s, asks again. Each read shows an API key and is counted against its limits. The peers "
        "have the same view in memory, encode it for each answer, and have neither keys nor limits; uvicorn parses "
        f"with {'httptools' if find_spec('httptools') else 'h11, as it comes'}."
    )
    write(options.out, "The gateway under load", [about, table(findings)])
    sys.stdout.write(table(findings) + "\n")
    return 0 if all(one.held for one in findings) else 1


if __name__ == "__main__":
    sys.exit(main())
