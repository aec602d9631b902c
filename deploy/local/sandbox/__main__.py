"""`python -m deploy.local.sandbox`: options in, a sandbox exchange on loopback until SIGTERM or Ctrl-C out."""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from deploy.local.sandbox.binance_spot import BinanceSpot
from deploy.local.sandbox.binance_usdm import BinanceUsdm
from deploy.local.sandbox.bybit import Bybit
from deploy.local.sandbox.control import Pause
from deploy.local.sandbox.exchange import Exchange
from deploy.local.sandbox.faults import Faults
from deploy.local.sandbox.floor import Floor
from deploy.local.sandbox.listings import BINANCE_SPOT, BINANCE_USDM, DEFAULT, OKX, Listing
from deploy.local.sandbox.listings_many import MANY
from deploy.local.sandbox.okx import Okx
from deploy.local.sandbox.player import Player
from deploy.local.sandbox.server import Live, Sandbox
from deploy.local.sandbox.simulation import Simulation
from libs.common.runtime.clock import now_ns
from libs.common.runtime.errors import InputError

log = logging.getLogger("csx.sandbox")


MARKETS: Final = {"few": DEFAULT, "65": MANY}
"""What can be listed at the start."""
EXCHANGES: Final = (BinanceUsdm, Okx, Bybit, BinanceSpot)


def listings(wanted: Sequence[str], markets: Sequence[Listing] = DEFAULT) -> list[Listing]:
    """Return `markets`, or those that `wanted` names as `venue:symbol`, `symbol` or `venue`; raises ValueError."""
    if not wanted:
        return list(markets)
    found = [row for row in markets if {row.symbol, row.venue, f"{row.venue}:{row.symbol}"} & set(wanted)]
    for name in wanted:
        if not any(name in {row.symbol, row.venue, f"{row.venue}:{row.symbol}"} for row in found):
            known = ", ".join(f"{row.venue}:{row.symbol}" for row in markets)
            raise ValueError(f"the sandbox does not list {name}; it lists {known}")
    return found


def simulated(rows: Sequence[Listing], *, seed: int, start_ns: int | None = None, rate: float = 1.0) -> Sandbox:
    """Return a sandbox over a simulated market; not started yet."""
    simulation = Simulation(rows, seed=seed, start_ns=now_ns() if start_ns is None else start_ns, rate=rate)
    faults, pause = Faults(), Pause()
    exchanges: list[Exchange] = [make(faults, simulation.markets) for make in EXCHANGES]
    floor = Floor(simulation, exchanges, (*rows, *MANY))
    return Sandbox(exchanges, faults, Live(simulation, exchanges, pause), pause, floor)


def recorded(paths: Sequence[Path], *, venue: str, speed: float) -> Sandbox:
    """Return a sandbox that plays recordings of one venue; raises InputError where there is nothing to play."""
    faults, pause = Faults(), Pause()
    player = Player(venue, paths, speed=speed, faults=faults, pause=pause)
    return Sandbox([player.exchange], faults, player, pause)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m deploy.local.sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8900)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--symbols", nargs="*", default=[], help="of the markets: venue:symbol, symbol, or venue")
    parser.add_argument("--markets", choices=tuple(MARKETS), default="few", help="how many markets there are")
    parser.add_argument("--rate", type=float, default=1.0, help="multiplies how busy the markets are")
    parser.add_argument("--start-ns", type=int, help="market time to start at; default now")
    parser.add_argument("--faults", type=Path, help="JSON list of faults to arm at the start")
    parser.add_argument("--recording", type=Path, nargs="+", help="play these files instead of a simulated market")
    parser.add_argument("--venue", choices=(BINANCE_SPOT, BINANCE_USDM, OKX), help="whose frames the recording holds")
    parser.add_argument("--speed", type=float, default=1.0, help="of the recording; 10 plays it ten times as fast")
    return parser.parse_args(arguments)


async def serve(sandbox: Sandbox, host: str, port: int) -> None:
    """Run until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    await sandbox.start(host, port)
    log.info("sandbox listens on http://%s:%s", host, sandbox.port)
    stopping = asyncio.create_task(stop.wait())
    driving = asyncio.create_task(sandbox.wait())
    await asyncio.wait({stopping, driving}, return_when=asyncio.FIRST_COMPLETED)
    await sandbox.stop()
    stopping.cancel()
    if driving.done() and not driving.cancelled():
        driving.result()


def _sandbox(options: argparse.Namespace) -> Sandbox:
    if options.speed <= 0 or options.rate <= 0:
        raise ValueError("--speed and --rate are above 0")
    if not options.recording:
        rows = listings(options.symbols, MARKETS[options.markets])
        return simulated(rows, seed=options.seed, start_ns=options.start_ns, rate=options.rate)
    if not options.venue:
        raise ValueError("--recording needs --venue, whose frames they are")
    return recorded(options.recording, venue=options.venue, speed=options.speed)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 ended by a signal, 2 wrong input, 1 the port is taken."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    options = _options(arguments)
    try:
        sandbox = _sandbox(options)
        if options.faults:
            sandbox.script = options.faults.read_bytes()
            Faults().load(sandbox.script, 0.0)  # refuse a wrong script before the port opens
    except (ValueError, OSError, InputError, msgspec.DecodeError) as e:
        log.error("%s", e)  # noqa: TRY400 -- wrong input is the user's, a traceback would hide it
        return 2
    try:
        asyncio.run(serve(sandbox, options.host, options.port))
    except OSError as e:
        log.error("cannot listen on %s:%s: %s; choose another --port", options.host, options.port, e.strerror)  # noqa: TRY400 -- one clear line
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
