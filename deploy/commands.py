"""The words of `csx`: arguments in, an exit code out; errors become one line on stderr."""

import importlib
import os
import sys
from importlib.metadata import version as installed
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from libs.common.runtime.errors import CsxError

SERVICES: Final = {
    "alerts": "Alerts: rules, messages, deliveries.",
    "gateway": "Gateway: its OpenAPI document, keys.",
    "ingest": "Ingest: live frames recorded; recorded frames in, events out.",
    "signals": "Signals: events in, readings, signals and candles out.",
}
"""Each has a module `services.<name>.cli` with a Typer `app`, imported when it is called for."""


class _Lazy(TyperGroup):
    """Lists the services' commands without importing them."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), *SERVICES]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in SERVICES:
            return super().get_command(ctx, cmd_name)
        if not _called(cmd_name):
            return TyperCommand(cmd_name, help=SERVICES[cmd_name])  # for the list of commands alone
        _point_at_running()
        return typer.main.get_command(importlib.import_module(f"services.{cmd_name}.cli").app)


app = typer.Typer(
    cls=_Lazy,
    help="CryptoSatX: market data of many exchanges in, judged trading signals out.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.command()
def up(
    feed: Annotated[list[str] | None, typer.Option(help="sandbox, live, or a recording; again for more files.")] = None,
    venue: Annotated[str | None, typer.Option(help="Only these venues; for a recording: whose it is.")] = None,
    symbols: Annotated[str | None, typer.Option(help="Such as BTC-USDT-PERP,ETH-USDT; or top:65.")] = None,
    vendors: Annotated[str | None, typer.Option(help="Such as coinglass,alternative; with --feed live.")] = None,
    speed: Annotated[float, typer.Option(help="How many times faster a recording is played.")] = 1.0,
    port: Annotated[int, typer.Option(help="Where the page and the API answer, on 127.0.0.1.")] = 8080,
    broker: Annotated[
        str, typer.Option(help="embedded, native (Apache Kafka), or host:port of your own.")
    ] = "embedded",
    lasting: Annotated[str | None, typer.Option("--for", help="Stop after this long: 90s, 5m, 2h.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Discard what earlier runs kept.")] = False,
    data_dir: Annotated[Path, typer.Option(help="Where data is kept between runs.")] = Path(".csx"),
    seed: Annotated[int, typer.Option(help="Of the sandbox market: the same seed, the same market.")] = 1,
) -> None:
    """Run the whole system on this machine until Ctrl-C: broker, stores, a market, all services, the page."""
    from deploy.local.options import request  # noqa: PLC0415 - each command imports what it needs
    from deploy.local.up import up as run_up  # noqa: PLC0415

    asked = request(
        feeds=[word for text in feed or [] for word in _split(text)],
        venue=venue,
        symbols=symbols,
        vendors=vendors,
        speed=speed,
        port=port,
        broker=broker,
        lasting=lasting,
        fresh=fresh,
        data_dir=data_dir,
        seed=seed,
        own_bot=bool(os.environ.get("CSX_ALERTS_TELEGRAM_TOKEN")),
        owners=bool(os.environ.get("CSX_DEADMAN_OWNERS") or os.environ.get("CSX_ALERTS_OWNERS")),
    )
    run_up(asked, out=_print)


@app.command()
def doctor(
    json: Annotated[bool, typer.Option("--json", help="One JSON object a row.")] = False,
    data_dir: Annotated[Path, typer.Option(help="Of the `csx up` to look at.")] = Path(".csx"),
    port: Annotated[int, typer.Option(help="The gateway's port.")] = 8080,
) -> None:
    """Say what is reachable, configured, skewed, missing; each failing row says how to mend it."""
    from deploy.local.doctor import examine, report  # noqa: PLC0415 - each command imports what it needs

    rows = examine(data_dir, port)
    _print(report(rows, json=json or not sys.stdout.isatty()))
    if any(row.state == "fail" for row in rows):
        raise typer.Exit(1)


@app.command()
def version() -> None:
    """Print the version."""
    _print(installed("cryptosatx"))


def run(arguments: list[str]) -> NoReturn:
    """Run one command and exit: a `CsxError` is one line and its own code, a closed pipe is silence."""
    try:
        app(arguments, prog_name="csx")
        sys.stdout.flush()
    except CsxError as e:
        sys.stderr.write(f"csx: {e}\n")
        sys.exit(e.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the last flush complains
    sys.exit(0)


def _point_at_running() -> None:
    """Have a service's command ask the broker of the `csx up` that runs on ./.csx, unless the environment names one."""
    from deploy.local.datadir import read_state  # noqa: PLC0415 - each command imports what it needs

    if (address := read_state(Path(".csx")).get("kafka_bootstrap")) is not None:
        os.environ.setdefault("CSX_KAFKA_BOOTSTRAP", address)


def _called(name: str) -> bool:
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    return bool(words) and words[0] == name


def _split(text: str) -> list[str]:
    """A list of the words sandbox and live, or one path, which may hold commas."""
    return [text] if Path(text).exists() else text.split(",")


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
