"""`csx signals`: events or candles in, candles, readings, signals and indicators out, as NDJSON.

Only `verify` needs a broker.
"""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from libs.common.bus.codec import CodecError, decode_lines
from libs.common.bus.reading import Reader
from libs.common.events import Candle, MarketEvent, Timeframe
from libs.common.runtime.console import closed_pipe, emit, flush
from libs.common.runtime.errors import InputError, Mismatch
from libs.common.runtime.settings import load
from services.signals import verification
from services.signals.candle_files import read_bars, read_finest
from services.signals.engine.config import EngineConfig
from services.signals.engine.engine import Engine
from services.signals.engine.indicators import Indicators
from services.signals.engine.layers import LAYERS
from services.signals.engine.structure import listing
from services.signals.engine.walk import Walk
from services.signals.settings import Settings
from services.signals.verification import Verification

app = typer.Typer(help="Signals: the engine, without a broker.", no_args_is_help=True)

_ALL: Final = ",".join(Timeframe)

_Events = Annotated[str, typer.Argument(metavar="FILE", help="NDJSON of market events; - is standard input.")]
_Timeframes = Annotated[str, typer.Option(help=f"Comma-separated, of {_ALL}.")]


@app.command()
def candles(file: _Events = "-", timeframes: _Timeframes = _ALL) -> None:
    """Print every closed candle that the trades make."""
    engine = Engine(EngineConfig(timeframes=_parse(timeframes)))
    try:
        for event in _market_events(file):
            for output in engine.apply(event):
                if isinstance(output, Candle):
                    emit(output)
        flush()
    except BrokenPipeError:
        closed_pipe()


@app.command()
def replay(file: _Events = "-", timeframes: _Timeframes = _ALL) -> None:
    """Print every reading and signal, abstentions with their causes included."""
    engine = Engine(EngineConfig(timeframes=_parse(timeframes)))
    try:
        for event in _market_events(file):
            for output in engine.apply(event):
                if not isinstance(output, Candle):
                    emit(output)
        flush()
    except BrokenPipeError:
        closed_pipe()


@app.command()
def indicators(
    candles: Annotated[Path, typer.Option(help="File of candles: .csv, .csv.gz, .parquet or .feather.")],
    timeframe: Annotated[str, typer.Option(help=f"One of {_ALL}; a finer file is re-aggregated.")],
) -> None:
    """Print every indicator's value at each closed bar; null until it is warm, anew after a hole."""
    (wanted,) = _parse(timeframe, most=1)
    state, last_ns = Indicators(), None
    try:
        for bar in read_bars(candles, wanted):
            if last_ns is not None and bar.open_ns != last_ns + wanted.ns:
                state = Indicators()
            last_ns = bar.open_ns
            emit(msgspec.json.encode(state.add(bar)))
        flush()
    except BrokenPipeError:
        closed_pipe()


@app.command()
def structures(
    candles: Annotated[Path, typer.Option(help="File of candles: .csv, .csv.gz, .parquet or .feather.")],
    timeframe: Annotated[str, typer.Option(help=f"One of {_ALL}; a finer file is re-aggregated.")],
    swing_length: Annotated[
        int | None,
        typer.Option(min=2, help="Swings as the peer library has them: N - 1 bars before a pivot, N after it."),
    ] = None,
    min_gap_atr: Annotated[float | None, typer.Option(min=0, help="Least fair-value gap, in ATR.")] = None,
    anew_after_holes: Annotated[
        bool, typer.Option("--anew-after-holes", help="Start anew where bars miss; else the next row is the next bar.")
    ] = False,
) -> None:
    """Print every smart-money structure with what it is, when it was known, and all its states."""
    (wanted,) = _parse(timeframe, most=1)
    told = listing.told(EngineConfig().smc, swing_length, min_gap_atr)
    try:
        for structure in listing.structures(read_bars(candles, wanted), wanted, told, anew=anew_after_holes):
            emit(msgspec.json.encode(structure))
        flush()
    except BrokenPipeError:
        closed_pipe()


@app.command()
def analyze(
    candles: Annotated[Path, typer.Option(help="File of candles: .csv, .csv.gz, .parquet or .feather.")],
    timeframe: Annotated[str, typer.Option(help=f"One of {_ALL}; the others are made of the same file.")],
    layers: Annotated[str, typer.Option(help=f"Comma-separated, of {','.join(LAYERS)}.")] = ",".join(LAYERS),
    venue: Annotated[str, typer.Option(help="Named in the readings; the file does not say.")] = "file",
    symbol: Annotated[str, typer.Option(help="Named in the readings; by default after the file.")] = "",
) -> None:
    """Print what each layer reads at each closed bar; those that need trades or a book abstain and say so."""
    (judged,), wanted = _parse(timeframe, most=1), _layers(layers)
    base, bars = read_finest(candles)
    if base.ns > judged.ns:
        raise InputError(f"{candles}: bars of {base} cannot make bars of {judged}")
    config = EngineConfig()
    walk = Walk.new(venue, symbol or candles.name.partition(".")[0], wanted, config, base=base, judged=judged)
    try:
        for bar in bars:
            for reading in walk.take(bar, config):
                emit(reading)
        flush()
    except BrokenPipeError:
        closed_pipe()


@app.command()
def verify(
    signal_id: Annotated[str, typer.Argument(metavar="SIGNAL_ID", help="Of a signal on signals.signals.v1.")],
) -> None:
    """Recompute a published signal from the topics and compare bytes; exit code 7 when they differ."""
    settings = load(Settings)
    found = asyncio.run(_verify(settings, signal_id))
    emit(msgspec.json.encode(found))
    flush()
    if not found.equal:
        raise Mismatch(f"{signal_id} is not what the log makes: {found.difference}")


async def _verify(settings: Settings, signal_id: str) -> Verification:
    async with Reader(settings.kafka_bootstrap, "csx-signals-verify") as reader:
        return await verification.verify(reader, signal_id, settings.engine())


def _parse(words: str, most: int = len(Timeframe)) -> tuple[Timeframe, ...]:
    """Return the timeframes named in `words`, shortest first, each once."""
    wanted = {word.strip() for word in words.split(",")}
    unknown = sorted(wanted - set(Timeframe))
    if unknown or len(wanted) > most:
        raise InputError(f"unknown timeframe {', '.join(unknown) or words!r}: choose of {_ALL}")
    return tuple(timeframe for timeframe in Timeframe if timeframe in wanted)


def _layers(words: str) -> tuple[str, ...]:
    """Return the layers named in `words`, in order of the table, each once."""
    wanted = {word.strip() for word in words.split(",")}
    unknown = sorted(wanted - set(LAYERS))
    if unknown:
        raise InputError(f"unknown layer {', '.join(unknown)}: choose of {','.join(LAYERS)}")
    return tuple(name for name in LAYERS if name in wanted)


def _market_events(file: str) -> Iterator[MarketEvent]:
    """Yield the market events of an NDJSON file; other events are passed over."""
    try:
        with sys.stdin.buffer if file == "-" else Path(file).open("rb") as lines:
            for event in decode_lines(lines):
                if isinstance(event, MarketEvent):
                    yield event
    except (OSError, CodecError) as e:
        raise InputError(f"{file}: {e}") from e
