"""`csx doctor`: this machine, its settings and what runs in, one row a check out; a failing row says how to mend it."""

import asyncio
import os
import shutil
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from deploy.interpreter import OLDEST
from deploy.local.datadir import claimed, read_state
from deploy.local.kafka import LIBS, java
from deploy.local.plan import Ready
from deploy.local.ports import claim
from deploy.local.probes import Probe, clock_skew, clocks, kafka, postgres, valkey
from deploy.local.units import serves
from deploy.local.up import check_wheels
from libs.common.runtime.errors import ConfigurationError
from libs.common.runtime.settings import SERVICES, ServiceSettings, load
from services.ingest.vendors import VENDORS

State = Literal["ok", "warn", "fail", "skip"]
_MARKS: Final[dict[State, tuple[str, int]]] = {
    "ok": ("ok", 32),
    "warn": ("warn", 33),
    "fail": ("FAIL", 31),
    "skip": ("-", 90),
}
_NEEDED_BYTES: Final = 1 << 30
_WANTED_BYTES: Final = 5 << 30
_SKEW_WARN_S: Final = 0.25
_SKEW_FAIL_S: Final = 1.0


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One check."""

    check: str
    state: State
    found: str
    mend: str = ""


def examine(data_dir: Path, port: int, environ: Mapping[str, str] | None = None) -> list[Row]:
    """Run every check; none of them raises, none changes anything."""
    environ = os.environ if environ is None else environ
    running = read_state(data_dir) if claimed(data_dir) else {}
    return [
        _python(),
        _wheels(),
        _jvm(),
        _maven(),
        _disk(data_dir),
        *_settings(environ),
        *_vendors(environ),
        _system(data_dir, running),
        _port(port, running),
        *asyncio.run(_dependencies(environ, running)),
        *_services(running),
    ]


def report(rows: Iterable[Row], *, json: bool) -> str:
    """Return the rows as NDJSON, or as a table for a person."""
    if json:
        return "\n".join(msgspec.json.encode(row).decode() for row in rows)
    colour = "NO_COLOR" not in os.environ
    lines = []
    for row in rows:
        mark, number = _MARKS[row.state]
        shown = f"\x1b[{number}m{mark:<5}\x1b[0m" if colour else f"{mark:<5}"
        lines.append(f"{shown} {row.check:<22} {row.found}")
        if row.mend:
            lines.append(f"{'':<29}-> {row.mend}")
    return "\n".join(lines)


def _python() -> Row:
    found = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info[:2] >= OLDEST:
        return Row(check="python", state="ok", found=found)
    return Row(check="python", state="fail", found=found, mend="install Python 3.11 or newer, then `make setup`")


def _wheels() -> Row:
    try:
        check_wheels()
    except ConfigurationError as e:
        return Row(check="wheels", state="fail", found=str(e), mend="make setup")
    return Row(check="wheels", state="ok", found="PostgreSQL, Valkey and every service's libraries are installed")


def _jvm() -> Row:
    try:
        return Row(check="jvm", state="ok", found=f"{java()} (for --broker native)")
    except RuntimeError as e:
        return Row(check="jvm", state="skip", found=str(e), mend="only --broker native needs it")


def _maven() -> Row:
    if LIBS.is_dir():
        return Row(check="apache kafka", state="ok", found=f"its jars are in {LIBS}")
    found = shutil.which("mvn")
    if found:
        return Row(check="apache kafka", state="ok", found=f"{found} fetches the jars for --broker native when asked")
    return Row(
        check="apache kafka",
        state="skip",
        found="no jars, and no Maven to fetch them",
        mend="only --broker native needs it: install Maven",
    )


def _disk(data_dir: Path) -> Row:
    place = next(path for path in (data_dir.absolute(), *data_dir.absolute().parents) if path.exists())
    free = shutil.disk_usage(place).free
    found = f"{free / (1 << 30):.1f} GiB free at {place}"
    if free < _NEEDED_BYTES:
        return Row(check="disk", state="fail", found=found, mend="free 1 GiB, or choose another --data-dir")
    if free < _WANTED_BYTES:
        return Row(check="disk", state="warn", found=found, mend="a day of market data takes some GiB")
    return Row(check="disk", state="ok", found=found)


def _settings(environ: Mapping[str, str]) -> list[Row]:
    rows = []
    for name in SERVICES:
        fault = _fault(name, environ)
        if fault:
            mend = "correct the variable in the environment, or in .env"
            rows.append(Row(check=f"settings {name}", state="fail", found=fault, mend=mend))
    return rows or [Row(check="settings", state="ok", found="every CSX_ variable is known and fits")]


def _fault(name: str, environ: Mapping[str, str]) -> str | None:
    """Read one service's settings in the way the service does."""
    import importlib  # noqa: PLC0415 - the services are imported only here

    kind: type[ServiceSettings] = importlib.import_module(f"services.{name}.settings").Settings
    given = {f"CSX_{name.upper()}_{field.upper()}" for field, facts in kind.model_fields.items() if facts.is_required()}
    if given - set(environ):
        return None  # what is required is missing: this service is configured elsewhere, by `csx up` or compose
    try:
        load(kind, environ)
    except ConfigurationError as e:
        return str(e)
    return None


def _vendors(environ: Mapping[str, str]) -> list[Row]:
    """Say of each vendor whether it may be asked; nothing is asked."""
    rows = []
    for name, make in VENDORS.items():
        variable = f"CSX_INGEST_{name.upper()}_KEY"
        vendor = make(key=environ.get(variable) or None)  # type: ignore[call-arg]  # each make has its own url and pace
        if vendor.key is not None:
            rows.append(Row(check=f"vendor {name}", state="ok", found=f"{variable} is set"))
        elif vendor.usable:
            rows.append(Row(check=f"vendor {name}", state="ok", found="answers without a key"))
        else:
            mend = f"set {variable}, if you have one"
            rows.append(Row(check=f"vendor {name}", state="skip", found="no key: its numbers are absent", mend=mend))
    return rows


def _system(data_dir: Path, running: Mapping[str, Any]) -> Row:
    if running:
        found = f"pid {running['pid']}, {running['origin']} market, since {running['started']}"
        return Row(check="csx up", state="ok", found=found)
    return Row(check="csx up", state="skip", found=f"nothing runs on {data_dir}")


def _port(port: int, running: Mapping[str, Any]) -> Row:
    if running:
        return Row(check="page", state="ok", found=str(running["url"]))
    try:
        claim(port, "--port")
    except ConfigurationError as e:
        return Row(check=f"port {port}", state="fail", found="taken", mend=str(e))
    return Row(check=f"port {port}", state="ok", found="free")


async def _dependencies(environ: Mapping[str, str], running: Mapping[str, Any]) -> list[Row]:
    addresses = {
        "broker": (running.get("kafka_bootstrap") or environ.get("CSX_KAFKA_BOOTSTRAP"), kafka),
        "postgresql": (running.get("postgres_dsn") or environ.get("CSX_POSTGRES_DSN"), postgres),
        "valkey": (running.get("redis_url") or environ.get("CSX_REDIS_URL"), valkey),
    }
    rows = [_dependency(name, address, probe) for name, (address, probe) in addresses.items()]
    skews = [_skew(venue) for venue in clocks()]
    return list(await asyncio.gather(*rows, *skews))


async def _dependency(name: str, address: str | None, probe: Callable[[str], Probe]) -> Row:
    if not address:
        return Row(check=name, state="skip", found="no address is set, and no csx up runs here")
    try:
        return Row(check=name, state="ok", found=await probe(address))
    except (OSError, RuntimeError) as e:
        mend = "start it, or correct its address in the environment"
        return Row(check=name, state="fail", found=str(e) or type(e).__name__, mend=mend)


async def _skew(venue: str, ask: Callable[[str], Awaitable[tuple[float, float]]] = clock_skew) -> Row:
    name = f"clock {venue}"
    try:
        skew_s, error_s = await ask(venue)
    except OSError as e:
        return Row(check=name, state="skip", found=f"not reachable from here ({e}): not checked")
    found = f"{skew_s:+.3f} s from the venue's clock, to within {error_s:.3f} s"
    beyond = abs(skew_s) - error_s
    if beyond < _SKEW_WARN_S:
        return Row(check=name, state="ok", found=found)
    mend = "let the machine's clock follow NTP: timedatectl set-ntp true"
    return Row(check=name, state="fail" if beyond > _SKEW_FAIL_S else "warn", found=found, mend=mend)


def _services(running: Mapping[str, Any]) -> list[Row]:
    rows = []
    for name, facts in running.get("processes", {}).items():
        if facts["health_port"] is None:
            continue
        fault = serves(Ready(ports=(facts["health_port"],), path="/readyz"))
        if fault:
            rows.append(Row(check=name, state="fail", found=fault, mend="its lines in the log of csx up say why"))
        else:
            rows.append(Row(check=name, state="ok", found=f"pid {facts['pid']}, ready, {facts['restarts']} restarts"))
    return rows
