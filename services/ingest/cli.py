"""`csx ingest`: recordings in, events as NDJSON on stdout out."""

from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from libs.common.bus.codec import encode
from libs.common.runtime.console import closed_pipe, emit, flush
from libs.common.runtime.errors import CsxError
from services.ingest.normalize import Normalizer
from services.ingest.tally import Summary

app = typer.Typer(no_args_is_help=True, help="Market data of exchanges, live and recorded.")

BATCH: Final = 1_000
"""Lines written at once."""


@app.callback()
def ingest() -> None:
    """Market data of exchanges, live and recorded."""


@app.command()
def normalize(
    files: Annotated[list[Path], typer.Argument(help="Recordings, in order; plain, .gz or .zst.", show_default=False)],
    venue: Annotated[str, typer.Option(help="Whose protocol they speak: binance-usdm, okx.")],
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
