"""Which processes make the system: a request and where things are in, commands with their environment out. Pure."""

import sys
from typing import Final

from msgspec import Struct

from deploy.local.options import Feed, Request
from deploy.local.sandbox.listings import DEFAULT
from libs.common.events import SECOND_NS
from services.alerts.settings_watch import QUIET
from services.ingest.listings.wishes import top_of
from services.ingest.vendor_settings import VENDORS_ALONE
from services.signals.engine.config import EngineConfig

HOST: Final = "127.0.0.1"
CHAT: Final = "1000"
"""The chat of the fake Telegram that hears of every signal."""


class Ready(Struct, frozen=True, kw_only=True):
    """When a process serves: all ports accept connections, and `path` of the first one answers 200 if there is one."""

    ports: tuple[int, ...]
    path: str | None = None


class Spec(Struct, frozen=True, kw_only=True):
    """One process."""

    name: str
    command: tuple[str, ...]
    env: dict[str, str] = {}
    """Added to the environment of `csx up`."""
    ready: Ready
    after: tuple[str, ...] = ()
    """Started when all of these serve."""
    service: bool = False
    """One of ours: it gets its full time to stop, before everything that it needs."""


class Wiring(Struct, frozen=True, kw_only=True):
    """Where everything is, and what opens it."""

    bootstrap: str
    postgres_dsn: str
    redis_url: str
    spill_dir: str
    """Where ingest keeps what the broker does not take; it outlives the run."""
    ports: dict[str, int]
    """By name of the process; `<name>.health` for the side port of a service."""
    telegram_token: str
    telegram_url: str
    chats: str
    owners: str
    """Chats that the dead-man's switch tells, commas between."""
    owners_token: str
    """Of the bot that tells them."""
    gateway_key: str | None
    """None: the gateway asks nobody for a key, which it does for the sandbox feed only."""
    gateway_seals: dict[str, str] = {}
    """Settings that name the files of the gateway's secrets."""


def names(request: Request) -> tuple[str, ...]:
    """Return the processes of `request`, those first that others need."""
    broker = ("broker",) if request.broker in {"embedded", "native"} else ()
    exchange = () if request.feed is Feed.LIVE else ("exchange",)
    telegram = () if request.own_bot else ("telegram",)
    return (*broker, "postgres", "valkey", *exchange, *telegram, *services(request))


def services(request: Request) -> tuple[str, ...]:
    """Return the names of our services."""
    vendors = ("ingest-vendors",) if request.vendors else ()
    deadman = ("deadman",) if request.watched else ()
    return (*(f"ingest-{venue}" for venue in request.markets), *vendors, "signals", *deadman, "alerts", "gateway")


def plan(request: Request, wiring: Wiring) -> tuple[Spec, ...]:
    """Return every process but the broker and the stores, which have files of their own."""
    helpers = [] if request.own_bot else [_telegram(wiring)]
    if request.feed is not Feed.LIVE:
        helpers.append(_exchange(request, wiring))
    needs = tuple(name for name in names(request) if name not in services(request))
    shared = {
        "CSX_KAFKA_BOOTSTRAP": wiring.bootstrap,
        "CSX_POSTGRES_DSN": wiring.postgres_dsn,
        "CSX_REDIS_URL": wiring.redis_url,
        "CSX_HEALTH_HOST": HOST,
        "CSX_LOG_FORMAT": "json",
        "CSX_ENVIRONMENT": "local",
    }
    own = {f"ingest-{venue}": _ingest(venue, request, wiring) for venue in request.markets}
    if request.vendors:
        own["ingest-vendors"] = _vendors(request)
    own |= {"signals": _signals(request), "alerts": _alerts(request, wiring), "gateway": _gateway(request, wiring)}
    return (
        *helpers,
        *([_deadman(request, wiring)] if request.watched else []),
        *(
            Spec(
                name=name,
                command=(sys.executable, "-m", f"services.{name.partition('-')[0]}"),
                env=shared | {"CSX_INSTANCE": name, "CSX_HEALTH_PORT": str(wiring.ports[f"{name}.health"])} | env,
                ready=Ready(
                    ports=(wiring.ports[f"{name}.health"], *((request.port,) if name == "gateway" else ())),
                    path="/readyz",
                ),
                after=(*needs, "topics"),
                service=True,
            )
            for name, env in own.items()
        ),
    )


def _exchange(request: Request, wiring: Wiring) -> Spec:
    port = wiring.ports["exchange"]
    command = [sys.executable, "-m", "deploy.local.sandbox", "--port", str(port)]
    if request.feed is Feed.FILES:
        command += ["--recording", *(str(path) for path in request.files)]
        command += ["--venue", next(iter(request.markets)), "--speed", f"{request.speed:g}"]
    else:
        command += ["--seed", str(request.seed)]
        if not _few(request):
            command += ["--markets", "65", "--symbols", *request.markets]
    return Spec(name="exchange", command=tuple(command), ready=Ready(ports=(port,)))


def _few(request: Request) -> bool:
    """Return whether the sandbox's few markets are enough."""
    few = {(row.venue, row.symbol) for row in DEFAULT}
    return all((venue, symbol) in few for venue, symbols in request.markets.items() for symbol in symbols)


def _telegram(wiring: Wiring) -> Spec:
    port = wiring.ports["telegram"]
    token = wiring.telegram_token
    command = (sys.executable, "-m", "deploy.local.sandbox.telegram", "--port", str(port), "--token", token)
    return Spec(name="telegram", command=command, ready=Ready(ports=(port,)))


def _ingest(venue: str, request: Request, wiring: Wiring) -> dict[str, str]:
    env = {
        "CSX_INGEST_VENUE": venue,
        "CSX_INGEST_SYMBOLS": ",".join(request.markets[venue]),
        "CSX_INGEST_ORIGIN": request.feed.origin,
        "CSX_INGEST_SPILL_DIR": wiring.spill_dir,
    }
    if request.feed is not Feed.LIVE:
        port = wiring.ports["exchange"]
        env["CSX_INGEST_WS_URL"] = f"ws://{HOST}:{port}/{venue}"
        env["CSX_INGEST_REST_URL"] = f"http://{HOST}:{port}/{venue}"
    if request.feed is Feed.FILES and venue.startswith("binance-"):
        env["CSX_INGEST_TRADE_CHANNEL"] = "trade"  # recordings carry single trades, the live feed aggregates
    return env


def _signals(request: Request) -> dict[str, str]:
    if request.feed is not Feed.FILES or request.speed <= 1:
        return {}
    grace_s = request.speed * EngineConfig().close_grace_ns / SECOND_NS
    return {"CSX_SIGNALS_CLOSE_GRACE_S": f"{grace_s:g}"}  # what this machine delays by a second is late by `speed`


def _vendors(request: Request) -> dict[str, str]:
    """Return what a process of vendors reads beside the keys, which are in the environment already."""
    symbols = (symbol for symbols in request.markets.values() for symbol in symbols)
    named = tuple(dict.fromkeys(symbol for symbol in symbols if top_of(symbol) is None))
    env = {
        "CSX_INGEST_VENUE": VENDORS_ALONE,
        "CSX_INGEST_VENDORS": ",".join(request.vendors),
        "CSX_INGEST_ORIGIN": request.feed.origin,
    }
    return env | ({"CSX_INGEST_SYMBOLS": ",".join(named)} if named else {})


def _alerts(request: Request, wiring: Wiring) -> dict[str, str]:
    others = (name for name in services(request) if name != "alerts")
    metrics = (f"{name}=http://{HOST}:{wiring.ports[f'{name}.health']}/metrics" for name in others)
    env = {
        "CSX_ALERTS_TELEGRAM_URL": wiring.telegram_url,
        "CSX_ALERTS_TELEGRAM_TOKEN": wiring.telegram_token,
        "CSX_ALERTS_CHATS": wiring.chats,
        "CSX_ALERTS_WATCHED": ",".join(metrics),
    }
    if request.feed is Feed.SANDBOX:  # its markets are too small for amounts: waves of liquidations show what comes
        env["CSX_ALERTS_TEMPLATES"] = ",".join((*QUIET, "liquidation_wave"))
    if "telegram" in wiring.ports:  # nobody's phone: it shows each alert by itself
        env |= {"CSX_ALERTS_PER_H": "0"}
        env["CSX_ALERTS_PUBLIC_URL"] = f"http://{HOST}:{request.port}"
    if "deadman" in wiring.ports:
        env["CSX_ALERTS_HEARTBEAT_URL"] = f"http://{HOST}:{wiring.ports['deadman']}/beat"
    return env


def _deadman(request: Request, wiring: Wiring) -> Spec:
    """It needs no broker and no store: only whom it tells."""
    port, health_port = wiring.ports["deadman"], wiring.ports["deadman.health"]
    return Spec(
        name="deadman",
        command=(sys.executable, "-m", "services.alerts.deadman"),
        env={
            "CSX_DEADMAN_TELEGRAM_TOKEN": wiring.owners_token,
            "CSX_DEADMAN_TELEGRAM_URL": wiring.telegram_url,
            "CSX_DEADMAN_OWNERS": wiring.owners,
            "CSX_DEADMAN_HOST": HOST,
            "CSX_DEADMAN_PORT": str(port),
            "CSX_HEALTH_HOST": HOST,
            "CSX_HEALTH_PORT": str(health_port),
            "CSX_LOG_FORMAT": "json",
            "CSX_ENVIRONMENT": "local",
        },
        ready=Ready(ports=(health_port, port), path="/readyz"),
        after=() if request.own_bot else ("telegram",),
        service=True,
    )


def _gateway(request: Request, wiring: Wiring) -> dict[str, str]:
    feed = {Feed.SANDBOX: "sandbox", Feed.LIVE: "live", Feed.FILES: "recorded"}[request.feed]
    env = {"CSX_GATEWAY_PORT": str(request.port), "CSX_GATEWAY_FEED": feed, **wiring.gateway_seals}
    if wiring.gateway_key is None:
        return env | {"CSX_GATEWAY_ANONYMOUS": "true"}
    return env | {"CSX_GATEWAY_BOOTSTRAP_KEY": wiring.gateway_key}
