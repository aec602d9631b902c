"""A file of candles (CSV, gzipped CSV, Parquet, Feather) in, closed bars of one timeframe out, oldest first."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby, pairwise
from math import isfinite
from pathlib import Path
from typing import Final

import polars as pl

from libs.common.events import MINUTE_NS, Source, Timeframe
from libs.common.runtime.errors import InputError
from services.signals.engine.bars import Bar, merge

_TIMES: Final = ("date", "datetime", "timestamp", "time", "open_time", "open_ns")
_NUMBERS: Final = ("open", "high", "low", "close", "volume")
_UNITS: Final = ((10**17, 1), (10**14, 10**3), (10**11, 10**6), (0, 10**9))
"""(least value, nanoseconds a unit): epoch times of this century tell their unit by their size."""


def read_bars(path: Path, timeframe: Timeframe) -> list[Bar]:
    """Return the bars of `timeframe`; a finer file is re-aggregated, and a bar that lacks a part is left out.

    Volumes are summed in order of time. The columns are open, high, low, close, volume, and one of date, datetime,
    timestamp, time, open_time, open_ns, in any case and order.

    Raises:
        InputError: the file cannot be read, is coarser than `timeframe`, or a row is no candle.
    """
    return _aggregate(_rows(path), timeframe, path)


def read_finest(path: Path) -> tuple[Timeframe, list[Bar]]:
    """Return the shortest timeframe that the rows of a file make, and its bars.

    Raises:
        InputError: the file cannot be read, its rows make no timeframe, or a row is no candle.
    """
    rows = _rows(path)
    step = min((later.open_ns - earlier.open_ns for earlier, later in pairwise(rows)), default=MINUTE_NS)
    timeframe = next((timeframe for timeframe in Timeframe if step > 0 and timeframe.ns % step == 0), Timeframe.M1)
    return timeframe, _aggregate(rows, timeframe, path)


def _rows(path: Path) -> list[Bar]:
    frame = _read(path)
    columns = {name.strip().lower(): name for name in frame.columns}
    time = next((columns[name] for name in _TIMES if name in columns), None)
    missing = [name for name in _NUMBERS if name not in columns]
    if time is None or missing:
        raise InputError(f"{path}: no column {', '.join(missing or _TIMES)}; there are {', '.join(frame.columns)}")
    opens = [_time_ns(value, path, row) for row, value in enumerate(frame[time].to_list(), start=1)]
    try:
        numbers = [frame[columns[name]].cast(pl.Float64).to_list() for name in _NUMBERS]
    except pl.exceptions.PolarsError as e:
        raise InputError(f"{path}: a price or volume is no number: {e}") from e
    rows = [
        _bar(open_ns, values, path, row)
        for row, (open_ns, *values) in enumerate(zip(opens, *numbers, strict=True), start=1)
    ]
    rows.sort(key=lambda bar: bar.open_ns)
    return rows


def _read(path: Path) -> pl.DataFrame:
    try:
        match path.suffixes[-2:]:
            case [*_, ".feather" | ".arrow" | ".ipc"]:
                return pl.read_ipc(path)
            case [*_, ".parquet" | ".pq"]:
                return pl.read_parquet(path)
            case [*_, ".csv"] | [".csv", ".gz"] | [*_, ".gz"]:
                return pl.read_csv(path, infer_schema_length=10_000)
            case _:
                raise InputError(f"{path}: not a .csv, .csv.gz, .parquet or .feather file")
    except (OSError, pl.exceptions.PolarsError) as e:
        raise InputError(f"{path}: {e}") from e


def _bar(open_ns: int, values: Sequence[float | None], path: Path, row: int) -> Bar:
    numbers = [value for value in values if value is not None and isfinite(value)]
    if len(numbers) < len(values):
        raise InputError(f"{path}: row {row} lacks a value")
    open_, high, low, close, volume = numbers
    if min(open_, low, close) <= 0 or high < low or volume < 0:
        raise InputError(f"{path}: row {row} is no candle: open {open_} high {high} low {low} close {close}")
    return Bar(open_ns, open_, high, low, close, volume, Source.REST)


def _time_ns(value: object, path: Path, row: int) -> int:
    if isinstance(value, int):
        return value * next((unit for least, unit in _UNITS if value >= least), 1)
    text = str(value)
    if text[4:5] == ".":  # as trading terminals write dates: 2024.08.09 00:05:00
        text = text[:10].replace(".", "-") + text[10:]
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(text)
    except ValueError as e:
        raise InputError(f"{path}: row {row} has no time: {e}") from e
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (int(moment.timestamp()) * 1_000_000 + moment.microsecond) * 1000


def _aggregate(rows: Sequence[Bar], timeframe: Timeframe, path: Path) -> list[Bar]:
    if not rows:
        return []
    steps = [later.open_ns - earlier.open_ns for earlier, later in pairwise(rows)]
    step = min(steps, default=timeframe.ns)
    if step <= 0:
        raise InputError(f"{path}: two rows have the same time")
    if step > timeframe.ns or timeframe.ns % step:
        raise InputError(f"{path}: bars of {step / MINUTE_NS:g} minutes cannot make bars of {timeframe}")
    bars: list[Bar] = []
    for open_ns, group in groupby(rows, key=lambda row: timeframe.open_ns(row.open_ns)):
        parts = list(group)
        if len(parts) == timeframe.ns // step and parts[0].open_ns == open_ns:
            bars.append(merge(parts))
    if not bars and len(rows) >= timeframe.ns // step:
        raise InputError(f"{path}: no bar of {timeframe} is whole: do its rows open on the timeframe?")
    return bars
