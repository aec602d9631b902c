"""`csx ingest`: recordings in, events out; a venue's live frames in, a recording out; reports in, a table out."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from libs.common.bus.codec import encode
from libs.common.runtime.console import closed_pipe, emit, flush
from libs.common.runtime.errors import CsxError
from services.ingest.recording.normalize import RECORDED, Normalizer
from services.ingest.recording.order import Order, seconds, streams
from services.ingest.recording.tally import Summary
from services.ingest.recording.volumes import Index, index_path
from services.ingest.venues import VENUES
from services.ingest.venues.terms import Stream

app = typer.Typer(no_args_is_help=True, help="Market data of exchanges, live and recorded.")

BATCH: Final = 1_000
"""Lines written at once."""


@app.callback()
def ingest() -> None:
    """Market data of exchanges, live and recorded."""


@app.command()
def normalize(
    files: Annotated[list[Path], typer.Argument(help="Recordings, in order; plain, .gz or .zst.", show_default=False)],
    venue: Annotated[str, typer.Option(help=f"Whose protocol they speak: {', '.join(RECORDED)}.")],
    summary: Annotated[Path | None, typer.Option(help="Write the counts there, as JSON.")] = None,
    symbols: Annotated[
        list[str] | None, typer.Option(help="Only these, e.g. BTC-USDT-PERP; repeat or use commas.")
    ] = None,
    instruments: Annotated[
        Path | None,
        typer.Option(help="The venue's catalogue: recorded or plain JSON. One beside the recording is found."),
    ] = None,
) -> None:
    """Read recordings of an exchange; print their events, one JSON object a line, and count everything."""
    wanted = [name for part in symbols or () for name in part.split(",") if name]
    try:
        normalizer = Normalizer(venue, files, wanted)
        if instruments:
            normalizer.learn(instruments)
        _print(normalizer)
        counts = normalizer.summary()
        if summary:
            summary.write_bytes(msgspec.json.format(msgspec.json.encode(counts), indent=2) + b"\n")
    except BrokenPipeError:
        closed_pipe()
    except (CsxError, OSError) as e:
        flush()
        typer.echo(f"csx ingest normalize: {e}", err=True)
        raise typer.Exit(e.exit_code if isinstance(e, CsxError) else 2) from e
    typer.echo(_sentence(counts), err=True)


@app.command(name="record")
def record_command(
    venue: Annotated[str, typer.Option(help=f"Whom to listen to: {', '.join(VENUES)}.")],
    symbols: Annotated[list[str], typer.Option(help="What, e.g. BTC-USDT-PERP; repeat or use commas.")],
    out: Annotated[Path, typer.Option(help="The first file; never one that is there. More are numbered.")],
    lasting: Annotated[str | None, typer.Option("--for", help="Stop after this long: 60s, 5m, 2h.")] = None,
    rotate_mib: Annotated[float, typer.Option(help="Begin another file at this size, compressed MiB.")] = 256,
    only: Annotated[str, typer.Option("--streams", help="Of these, commas between.")] = ",".join(Stream),
    ws_url: Annotated[str | None, typer.Option(help="Scheme and host of the sockets, if not the venue's own.")] = None,
    rest_url: Annotated[str | None, typer.Option(help="Scheme and host of REST, if not the venue's own.")] = None,
) -> None:
    """Record what a venue sends, byte by byte, until the time is over, Ctrl-C or SIGTERM."""
    try:
        order = Order(
            venue=venue,
            symbols=tuple(dict.fromkeys(name for part in symbols for name in part.split(",") if name)),
            out=out,
            streams=streams(only),
            seconds=None if lasting is None else seconds(lasting),
            rotate_bytes=max(1, int(rotate_mib * 2**20)),
            ws_url=ws_url,
            rest_url=rest_url,
        )
        order.check()
        from services.ingest.recording.record import until_told  # noqa: PLC0415 - sockets and REST take half a second to import

        index = asyncio.run(until_told(order))
    except (CsxError, OSError) as e:
        typer.echo(f"csx ingest record: {e}", err=True)
        raise typer.Exit(e.exit_code if isinstance(e, CsxError) else 2) from e
    typer.echo(_told(out, index) if index else "nothing recorded: it was stopped before it began", err=True)


@app.command()
def status(
    venue: Annotated[list[str] | None, typer.Option(help="Only these; repeat or use commas.")] = None,
    json: Annotated[bool, typer.Option("--json", help="The reports as NDJSON.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Again every five seconds, until Ctrl-C.")] = False,
    bootstrap: Annotated[
        str, typer.Option(envvar="CSX_KAFKA_BOOTSTRAP", help="host:port of the broker.")
    ] = "127.0.0.1:9092",
) -> None:
    """Say how well each venue is heard; exit 1 unless every report is fresh and its grade C or better."""
    from services.ingest.quality.status_command import run  # noqa: PLC0415 - the broker's client takes its time to import

    try:
        good = run(
            bootstrap,
            [name for part in venue or () for name in part.split(",") if name],
            json=json or not sys.stdout.isatty(),
            watch=watch,
        )
    except BrokenPipeError:
        closed_pipe()
    except CsxError as e:
        typer.echo(f"csx ingest status: {e}", err=True)
        raise typer.Exit(e.exit_code) from e
    if not good:
        raise typer.Exit(1)


def _told(out: Path, index: Index) -> str:
    counts = index.counts
    return (
        f"{counts['recv']:,} frames and {counts['rest']} REST answers over {counts['connect']} connections in "
        f"{len(index.files)} file(s), {sum(one.bytes for one in index.files):,} bytes; the disk made the sockets wait "
        f"{index.waited} times ({index.waited_s:.1f} s); see {index_path(out)}"
    )


def _print(normalizer: Normalizer) -> None:
    lines: list[bytes] = []
    try:
        for event in normalizer.run():
            lines.append(encode(event))
            if len(lines) == BATCH:
                emit(b"\n".join(lines))
                lines.clear()
    finally:
        if lines:
            emit(b"\n".join(lines))
    flush()


def _sentence(counts: Summary) -> str:
    buys, sells = counts.trades["buy"], counts.trades["sell"]
    rejects = ", ".join(f"{reason} {count}" for reason, count in counts.rejects.items()) or "none"
    return (
        f"{counts.frames:,} frames: {buys + sells:,} trades ({sells:,} taker sells, {buys:,} taker buys), "
        f"{counts.gaps} gaps, {counts.books_crossed} crossed, "
        f"checksums {counts.checksums['verified']} right {counts.checksums['failed']} wrong, "
        f"books in sync: {', '.join(counts.books_in_sync) or 'none'}; rejects: {rejects}"
        + (f"; nothing of {', '.join(counts.absent)}" if counts.absent else "")
    )
