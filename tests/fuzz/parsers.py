"""Hostile input to the parsers, led by coverage: a parser's name and CPU seconds in, its findings out.

`conditions` is the language of alert rules, with findings of its own (tests/fuzz/conditions.py).

`python -m tests.fuzz.parsers okx --cpu-s 600` fuzzes one; without a name, all of them, one after the other, each in a
process of its own. A finding is an exception no caller expects, more than 100 ms of CPU for one input (three times in
a row), an event that does not survive its own encoding, or a published book that differs from the session's.

An input is a script: how many frames, and for each either raw bytes, or a good frame of the venue, made to continue the
book before it or not, with some of its values replaced. Numbers are also moved by a little, so that chains of sequence
numbers jump and fall back.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import atheris  # type: ignore[import-untyped]  # it has no stubs, and is not installed for checks

with atheris.instrument_imports(include=["services.ingest.vendors", "services.ingest.venues"]):
    from services.ingest.vendors import VENDORS
    from services.ingest.vendors.coinglass_stream import CoinGlassStream
    from services.ingest.vendors.vendor import Vendor
    from services.ingest.venues import VENUES
    from services.ingest.venues.terms import AnswerError, Plan
    from services.ingest.venues.venue import Session

from libs.common.bus.codec import decode, encode
from libs.common.events import BookDelta, BookSnapshot, MarketEvent, Origin, Timeframe
from tests.fuzz.conditions import CONDITIONS, condition_target
from tests.fuzz.findings import Finding, Hang
from tests.services.ingest.vendors.answers import GOOD as VENDOR_GOOD
from tests.services.ingest.vendors.answers import ORDERS
from tests.services.ingest.venues.test_hostile_frames import ANSWERS, GOOD, INSTRUMENTS, URLS

HANG_S: Final = 0.1
NOW_NS: Final = 1_790_000_000_000_000_000
STREAM: Final = "coinglass-stream"
_FRAMES: Final = 12
_WORDS: Final = ("NaN", "-Infinity", "1e308", "-0", "0", "-1", "9" * 25, "1e-300", "", "\x00", "é", "snapshot", "BTC")
_RAW_BYTES: Final = 400


class Script:
    """Reads decisions out of the fuzzer's bytes."""

    def __init__(self, data: bytes, good: list[Any]) -> None:
        self._data = atheris.FuzzedDataProvider(data)
        self._good = good
        self._last = self._data.ConsumeIntInRange(0, 9)

    def frames(self) -> list[bytes]:
        """Return the frames of this input."""
        return [self._frame() for _ in range(self._data.ConsumeIntInRange(1, _FRAMES))]

    def _frame(self) -> bytes:
        if not self._good or self._data.ConsumeIntInRange(0, 7) == 0:
            return bytes(self._data.ConsumeBytes(self._data.ConsumeIntInRange(0, _RAW_BYTES)))
        value = self._good[self._data.ConsumeIntInRange(0, len(self._good) - 1)]
        changes = self._data.ConsumeIntInRange(0, 4)
        if self._data.ConsumeBool():
            value = self._continued(value)
            changes //= 3
        for _ in range(changes):
            paths = list(_paths(value))
            path = paths[self._data.ConsumeIntInRange(0, len(paths) - 1)]
            value = self._replaced(value, path)
        text = json.dumps(value).encode()
        if self._data.ConsumeIntInRange(0, 15) == 0:
            text = text[: self._data.ConsumeIntInRange(0, len(text))]
        return text

    def _continued(self, value: Any) -> Any:
        """Return `value` with levels of its own choice and the sequence numbers that follow the last ones."""
        if isinstance(value, list):
            return [self._continued(one) for one in value]
        if not isinstance(value, dict):
            return value
        copy = {key: self._continued(one) for key, one in value.items()}
        for side, lowest in (("b", 1), ("bids", 1), ("a", 6), ("asks", 6)):
            if isinstance(copy.get(side), list):
                copy[side] = self._levels(lowest, like=copy[side])
        last = self._last
        if "lastUpdateId" in copy:
            copy["lastUpdateId"] = last
        elif "U" in copy and "u" in copy:
            copy |= {"U": last + 1, "u": last + 2} | ({"pu": last} if "pu" in copy else {})
            self._last += 2
        elif "prevSeqId" in copy:
            copy |= {"seqId": last + 1} | ({"prevSeqId": last} if copy["prevSeqId"] >= 0 else {})
            self._last += 1
        elif "u" in copy or "sequence" in copy:
            copy |= {name: last + 1 for name in ("u", "sequence") if name in copy}
            self._last += 1
        return copy

    def _levels(self, lowest: int, *, like: list[Any]) -> list[Any]:
        pairs = [
            (lowest + self._data.ConsumeIntInRange(0, 4), self._data.ConsumeIntInRange(0, 2))
            for _ in range(self._data.ConsumeIntInRange(0, 4))
        ]
        if like and isinstance(like[0], dict):
            return [dict(zip(like[0], pair, strict=False)) for pair in pairs]
        return [[str(price), str(size), "0", "1"][: len(like[0]) if like else 2] for price, size in pairs]

    def _replaced(self, value: Any, path: tuple[Any, ...]) -> Any:
        if not path:
            return self._leaf(value)
        copy = dict(value) if isinstance(value, dict) else list(value)
        copy[path[0]] = self._replaced(value[path[0]], path[1:])
        return copy

    def _leaf(self, before: Any) -> Any:  # noqa: PLR0911 - a table of choices
        match self._data.ConsumeIntInRange(0, 9):
            case 0 | 1 | 2:
                return self._moved(before)
            case 3:
                return _WORDS[self._data.ConsumeIntInRange(0, len(_WORDS) - 1)]
            case 4:
                return self._data.ConsumeUnicodeNoSurrogates(12)
            case 5:
                return self._data.ConsumeFloat()
            case 6:
                return self._data.ConsumeInt(12)
            case 7:
                return [before] * self._data.ConsumeIntInRange(0, 40)
            case 8:
                return None if self._data.ConsumeBool() else {}
            case _:
                return self._data.ConsumeBool()

    def _moved(self, before: Any) -> Any:
        by = self._data.ConsumeIntInRange(-3, 3)
        if before is None or isinstance(before, bool | dict | list):
            return before
        if isinstance(before, int | float):
            return before + by
        with contextlib.suppress(ValueError):
            return str(int(before) + by)
        with contextlib.suppress(ValueError):
            return str(float(before) + by)
        return before


class Reader:
    """One symbol's book as a reader of the topic has it."""

    def __init__(self) -> None:
        self.sequence: int | None = None
        self.sides: tuple[dict[float, float], dict[float, float]] = ({}, {})

    def hear(self, event: BookSnapshot | BookDelta) -> None:
        """Take what was published."""
        if isinstance(event, BookSnapshot):
            self.sides = (dict(event.bids), dict(event.asks))
            self.sequence = event.sequence
        elif self.sequence is not None and event.first_sequence == self.sequence + 1:
            for side, levels in zip(self.sides, (event.bids, event.asks), strict=True):
                for price, size in levels:
                    if size:
                        side[price] = size
                    else:
                        side.pop(price, None)
            self.sequence = event.last_sequence
        else:
            self.sequence = None


def venue_target(name: str) -> Callable[[bytes], None]:
    """Return what one input does to the parsers of a venue."""
    venue = VENUES[name]() if name != "coinapi" else VENUES[name](api_key="key")
    instruments = INSTRUMENTS[name]
    good = [*GOOD[name], *ANSWERS.get(name, [])]

    def run(data: bytes) -> None:
        session = venue.session(Plan(url=URLS.get(name, ""), symbols=(), streams=()), instruments, Origin.LIVE)
        session.subscribe()
        readers = {one.symbol: Reader() for one in instruments.values()}
        for number, frame in enumerate(Script(data, good).frames()):
            with _prompt(frame):
                _receive(session, readers, frame, number)
            with _prompt(frame):
                _answers(venue, instruments, frame)

    return run


def _receive(session: Session, readers: dict[str, Reader], frame: bytes, number: int) -> None:
    items = session.receive(frame, NOW_NS + number)
    for symbol in readers:
        items += session.snapshot(symbol, frame, NOW_NS + number)
    for item in items:
        if not isinstance(item, MarketEvent):
            continue
        if decode(encode(item)) != item:
            raise Finding(f"does not survive its encoding: {item}")
        if isinstance(item, BookSnapshot | BookDelta):
            readers[item.symbol].hear(item)
    for symbol, reader in readers.items():
        book = session.book(symbol)
        if book is not None and (
            reader.sequence != book.sequence or reader.sides != (dict(book.bids), dict(book.asks))
        ):
            raise Finding(f"the topic's book of {symbol} differs: {reader.sides} at {reader.sequence}, not {book}")


def _answers(venue: Any, instruments: Any, body: bytes) -> None:
    calls: list[Callable[[], object]] = [
        partial(venue.instruments, [body]),
        partial(venue.turnover, [body], instruments),
        partial(venue.clock_ns, body),
    ]
    for one in instruments.values():
        calls += [
            partial(venue.candles, one, Timeframe.M1, body, NOW_NS, Origin.LIVE),
            partial(venue.trades, one, "", body, NOW_NS, Origin.LIVE),
            partial(venue.open_interest, one, body, NOW_NS, Origin.LIVE),
        ]
    for call in calls:
        with contextlib.suppress(AnswerError):
            call()


def vendor_target(name: str) -> Callable[[bytes], None]:
    """Return what one input does to the parsers of a vendor."""
    make: Any = VENDORS[name]
    vendor: Vendor = make(key="key")
    jobs = vendor.jobs(["BTC-USDT-PERP", "ETH-USDT"])

    def run(data: bytes) -> None:
        for body in Script(data, VENDOR_GOOD[name]).frames():
            for job in jobs:
                with _prompt(body), contextlib.suppress(AnswerError):
                    for metric in vendor.parse(job, body, NOW_NS, Origin.LIVE):
                        if decode(encode(metric)) != metric:
                            raise Finding(f"does not survive its encoding: {metric}")

    return run


def stream_target() -> Callable[[bytes], None]:
    """Return what one input does to the parser of CoinGlass's socket."""
    stream = CoinGlassStream("wss://host", "key", ["BTC-USDT-PERP", "ETH-USDT"])

    def run(data: bytes) -> None:
        for frame in Script(data, [ORDERS, {"code": "401", "msg": "key"}]).frames():
            with _prompt(frame), contextlib.suppress(AnswerError):
                for metric in stream.receive(frame, NOW_NS, Origin.LIVE):
                    if decode(encode(metric)) != metric:
                        raise Finding(f"does not survive its encoding: {metric}")

    return run


@contextlib.contextmanager
def _prompt(frame: bytes) -> Iterator[None]:
    """Note what took long."""
    began = time.process_time()
    yield
    took = time.process_time() - began
    if took > HANG_S:
        raise Hang(f"{took:.3f} s of CPU for {len(frame)} bytes: {frame[:200]!r}")


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from _paths(value[key], (*path, key))


def _target(name: str) -> Callable[[bytes], None]:
    if name in VENUES:
        return venue_target(name)
    if name in VENDORS:
        return vendor_target(name)
    return stream_target() if name == STREAM else condition_target()


def fuzz(name: str, cpu_s: float, corpus: Path) -> None:
    """Fuzz one parser in this process; never returns: libFuzzer ends it, or the time does with exit 0."""
    target = _target(name)
    inputs, began = 0, time.process_time()

    def one(data: bytes) -> None:
        nonlocal inputs
        inputs += 1
        for last in (False, False, True):
            try:
                target(data)
                break
            except Hang:
                if last:
                    raise
        spent = time.process_time() - began
        if spent >= cpu_s:
            sys.stdout.write(f"{name}: {inputs:,} inputs in {spent:.0f} s of CPU, no finding\n")
            sys.stdout.flush()
            os._exit(0)  # libFuzzer would run on, and its own end runs no handler

    corpus.mkdir(parents=True, exist_ok=True)
    atheris.Setup(
        [
            sys.argv[0],
            str(corpus),
            f"-artifact_prefix={corpus}/finding-",
            "-max_len=4096",
            "-timeout=20",
            "-verbosity=0",
        ],
        one,
    )
    atheris.Fuzz()


def main() -> int:
    """Fuzz one parser here, or each in a child; 1 where something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.parsers", description=__doc__)
    parser.add_argument("name", nargs="?", choices=[*VENUES, *VENDORS, STREAM, CONDITIONS])
    parser.add_argument("--cpu-s", type=float, default=600.0)
    parser.add_argument("--corpus", type=Path, default=Path(".fuzz"))
    options = parser.parse_args()
    if options.name:
        fuzz(options.name, options.cpu_s, options.corpus / options.name)
    worst = 0
    for name in [*VENUES, *VENDORS, STREAM, CONDITIONS]:
        command = [sys.executable, "-m", "tests.fuzz.parsers", name, "--cpu-s", str(options.cpu_s)]
        done = subprocess.run([*command, "--corpus", str(options.corpus)], check=False)
        worst = max(worst, min(done.returncode & 0xFF, 1))
    return worst


if __name__ == "__main__":
    raise SystemExit(main())
