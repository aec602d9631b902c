"""Recordings, our own and those of other programs: files in, the frames they hold out, one at a time.

| format | line |
|---|---|
| `csx ingest record` | JSON objects, see docs/recordings.md; its index stands for all its files |
| cryptofeed 1 | `<seconds>: <frame>`, `<wss url> <-> <seconds>`, `<wss url> <- <seconds>: <sent>`, `<https url> -> <seconds>: <body>` |
| cryptofeed 2 | JSON objects with `t`, `conn`, `ts`, `data`; the first is a header |
| hftbacktest | `<nanoseconds or microseconds> <frame>`; a bare depth answer stands between the frames |
| FastMM | `<monotonic nanoseconds><tab><frame>`: no wall clock, so `received_ns` is 0 |
| plain | one frame a line, `received_ns` is 0; or one JSON document, printed over the lines of the whole file |

Each may be packed with gzip or zstandard; the first bytes tell.
"""  # noqa: E501 - a table row is one line

import gzip
import logging
import re
import zlib
from collections.abc import Iterator
from enum import StrEnum, unique
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
import zstandard
from msgspec import Raw, Struct

from libs.common.events import SECOND_NS
from libs.common.runtime.errors import InputError
from services.ingest.recording.entries import INDEX_MARK, MARK, Kind, unpack
from services.ingest.venues.wire import UNREADABLE

log = logging.getLogger(__name__)

LINE_LIMIT: Final = 32 * 1024 * 1024
"""Bytes; the rest of a longer line is passed over, its beginning is a frame that is too long to be read."""
_STAMPED: Final = re.compile(rb"(\d{1,20})(\.\d+)?(: |[ \t])(.*)", re.DOTALL)
_URL: Final = re.compile(rb"((?:wss?|https?)://\S+) (<->|<-|->) (\d+(?:\.\d+)?)(?:: (.*))?", re.DOTALL)
_DEPTH_ANSWER: Final = re.compile(rb'\{\s*"lastUpdateId"')
_DAMAGED: Final = (OSError, EOFError, zlib.error, zstandard.ZstdError)


@unique
class FrameKind(StrEnum):
    """What a recorded line was."""

    RECEIVED = "ws"
    ANSWER = "rest"
    SENT = "sent"
    CONNECTED = "connect"
    ENDED = "disconnect"


class Frame(Struct, frozen=True, kw_only=True):
    """One recorded line."""

    received_ns: int
    """By the recorder's wall clock; 0 where it kept none."""
    kind: FrameKind
    monotonic_ns: int = 0
    """By a clock that never goes back; 0 where the recorder kept none."""
    data: bytes = b""
    """Of an end: its cause."""
    connection: str = ""
    url: str = ""
    """Of an answer or a connection; empty where the recording does not say."""


class _Entry(Struct):
    kind: str = msgspec.field(name="t")
    connection: str = msgspec.field(name="conn", default="")
    seconds: Raw = msgspec.field(name="ts", default_factory=Raw)
    url: str = ""
    address: str = msgspec.field(name="addr", default="")
    data: str = ""


_decode_entry = msgspec.json.Decoder(_Entry).decode
_OPENINGS: Final = frozenset({b"{", b"["})
_ENTRY_KINDS: Final = {
    "recv": FrameKind.RECEIVED,
    "http": FrameKind.ANSWER,
    "send": FrameKind.SENT,
    "connect": FrameKind.CONNECTED,
}


def read(path: Path) -> Iterator[Frame]:
    """Yield the frames of a recording in the order of the file; a line of no known form is a frame as it stands.

    Raises:
        InputError: the file cannot be opened or unpacked; what lies before the damage has been yielded.
    """
    for part in parts(path):
        try:
            with part.open("rb") as file:
                yield from _frames(_lines(_chunks(file)), part.name)
        except _DAMAGED as e:
            raise InputError(f"{part}: {e}") from e


class _Part(Struct):
    name: str


class _Index(Struct):
    files: list[_Part]


def parts(path: Path) -> list[Path]:
    """Return the files of a recording: those that its index names, or the file itself.

    Raises:
        InputError: the file cannot be opened, or is an index that cannot be read.
    """
    try:
        with path.open("rb") as file:
            if file.read(len(INDEX_MARK)) != INDEX_MARK:
                return [path]
        index = msgspec.json.decode(path.read_bytes(), type=_Index)
    except (OSError, *UNREADABLE) as e:
        raise InputError(f"{path}: {e}") from e
    return [path.with_name(Path(part.name).name) for part in index.files]


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    """Yield the unpacked content."""
    magic = file.read(4)
    file.seek(0)
    if magic == b"\x28\xb5\x2f\xfd":
        yield from _zstandard_chunks(file)
        return
    plain = gzip.GzipFile(fileobj=file) if magic.startswith(b"\x1f\x8b") else file
    while chunk := plain.read(1 << 20):
        yield chunk


def _zstandard_chunks(file: BinaryIO) -> Iterator[bytes]:
    """Yield the content of all frames; the library's own reader takes a cut file for a whole one."""
    decoder = None
    while packed := file.read(1 << 14):
        while packed:
            decoder = decoder or zstandard.ZstdDecompressor().decompressobj()
            yield decoder.decompress(packed)
            packed = decoder.unused_data if decoder.eof else b""
            if decoder.eof:
                decoder = None
    if decoder:
        raise EOFError("the archive ends in the middle of a frame")


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the lines; what is beyond the limit is passed over."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
        if len(rest) > LINE_LIMIT:
            yield rest
            rest = _after_line(chunks)
    yield from rest.split(b"\n")


def _after_line(chunks: Iterator[bytes]) -> bytes:
    """Pass over the rest of a line; return what was read behind it."""
    for chunk in chunks:
        _, newline, behind = chunk.partition(b"\n")
        if newline:
            return behind
    return b""


def _frames(lines: Iterator[bytes], name: str) -> Iterator[Frame]:
    entries = False
    for number, raw in enumerate(lines):
        line = raw.rstrip(b"\r")
        if not line.strip():
            continue
        if number == 0 and line.startswith(b'{"t":"header"'):
            entries = True
            continue
        if number == 0 and line in _OPENINGS:
            yield _received(0, _document(line, lines))
            return
        if number == 0 and line.startswith(MARK):
            yield from _own(lines, name)
            return
        frame = _entry(line) if entries else _line(line, name)
        if frame:
            yield frame


def _document(opening: bytes, lines: Iterator[bytes]) -> bytes:
    """Return one JSON document spread over the lines of a whole file; what is beyond the limit is passed over."""
    document = bytearray(opening)
    for line in lines:
        if len(document) <= LINE_LIMIT:
            document += b"\n" + line
    return bytes(document)


_OWN_KINDS: Final = {
    Kind.RECEIVE: FrameKind.RECEIVED,
    Kind.ANSWER: FrameKind.ANSWER,
    Kind.SEND: FrameKind.SENT,
    Kind.CONNECT: FrameKind.CONNECTED,
    Kind.DISCONNECT: FrameKind.ENDED,
}


def _own(lines: Iterator[bytes], name: str) -> Iterator[Frame]:
    """Yield the frames of our own recorder; where it was killed the file ends in the middle, and that is its end."""
    try:
        for line in lines:
            if not line:
                continue
            try:
                entry = unpack(line)
            except (ValueError, RecursionError):
                yield _received(0, line)
                continue
            if entry.status != HTTPStatus.OK:
                continue  # a refusal: nobody took it for an answer
            yield Frame(
                received_ns=entry.wall_ns,
                monotonic_ns=entry.mono_ns,
                kind=_OWN_KINDS[entry.kind],
                data=entry.data or entry.cause.encode(),
                connection=str(entry.connection),
                url=entry.url,
            )
    except EOFError:
        log.warning("%s ends in the middle, as when a recorder is killed: everything before that was read", name)


def _line(line: bytes, name: str) -> Frame | None:
    if stamped := _STAMPED.fullmatch(line):
        whole, fraction, separator, data = stamped.groups()
        if fraction or separator == b": ":
            return _received(_seconds_ns(whole + (fraction or b"")), data, connection=name)
        return _received(_wall_ns(int(whole), monotonic=separator == b"\t"), data)
    if said := _URL.fullmatch(line):
        url, arrow, seconds, data = said.groups()
        kind = {b"<->": FrameKind.CONNECTED, b"<-": FrameKind.SENT, b"->": FrameKind.ANSWER}[arrow]
        return Frame(
            received_ns=_seconds_ns(seconds),
            kind=kind,
            data=data or b"",
            connection=name,
            url=url.decode(errors="replace"),
        )
    if line.startswith(b"configuration: "):
        return None
    return _received(0, line)


def _received(received_ns: int, data: bytes, connection: str = "") -> Frame:
    kind = FrameKind.ANSWER if _DEPTH_ANSWER.match(data) else FrameKind.RECEIVED
    return Frame(received_ns=received_ns, kind=kind, data=data, connection=connection)


def _entry(line: bytes) -> Frame | None:
    try:
        entry = _decode_entry(line)
    except UNREADABLE:
        return _received(0, line)
    kind = _ENTRY_KINDS.get(entry.kind)
    if kind is None:
        return None
    return Frame(
        received_ns=_seconds_ns(bytes(entry.seconds)),
        kind=kind,
        data=entry.data.encode(errors="surrogatepass"),
        connection=entry.connection,
        url=entry.url or entry.address,
    )


def _seconds_ns(text: bytes) -> int:
    """Return decimal seconds as nanoseconds, exactly; 0 where the text is no time."""
    whole, _, fraction = text.partition(b".")
    if not (whole + fraction).isdigit() or len(whole) > 10:
        return 0
    return int(whole) * SECOND_NS + int(fraction[:9].ljust(9, b"0"))


def _wall_ns(stamp: int, *, monotonic: bool) -> int:
    """Return a stamp of unknown unit as nanoseconds since the epoch; its size tells, 0 says that it is none."""
    if 10**18 <= stamp < 10**19 // 2:
        return stamp
    if monotonic or not 10**15 <= stamp < 10**16 // 2:
        return 0
    return stamp * 1_000
