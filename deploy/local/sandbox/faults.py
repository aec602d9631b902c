"""What goes wrong on purpose: a script of faults in; each outgoing frame delayed, doubled, spoilt or lost as it says.

The kinds that add a spoilt frame send it before the true one, so that nothing is lost by them; drop, sequence_gap and
disconnect lose what they say. A fault counts from the moment it is loaded, so one script has one effect.
"""

from collections import Counter
from collections.abc import Callable
from enum import StrEnum, unique
from typing import Any, Final

import msgspec
from msgspec import Struct

from deploy.local.sandbox.listings import BINANCE_SPOT, BINANCE_USDM, BYBIT, OKX
from deploy.local.sandbox.websocket import Socket

OVERSIZE_BYTES: Final = 16 << 20


@unique
class FaultKind(StrEnum):
    """What can go wrong."""

    DROP = "drop"
    DUPLICATE = "duplicate"
    REORDER = "reorder"
    TRUNCATE = "truncate"
    GARBAGE_UTF8 = "garbage_utf8"
    UNKNOWN_CHANNEL = "unknown_channel"
    OVERSIZE = "oversize"
    NAN = "nan"
    NEGATIVE_SIZE = "negative_size"
    DELAY = "delay"
    DISCONNECT = "disconnect"
    HALF_OPEN = "half_open"
    HTTP_429 = "http_429"
    NOTICE_64008 = "notice_64008"
    SEQUENCE_GAP = "sequence_gap"


class Fault(Struct, kw_only=True, forbid_unknown_fields=True):
    """One line of the script; due when both `at_s` and `after_frames` have passed."""

    kind: FaultKind
    venue: str
    at_s: float = 0.0
    """Seconds after loading."""
    after_frames: int = 0
    """Data frames of the venue after loading."""
    count: int = 1
    """How many frames, connections or requests it hits."""
    channel: str = ""
    """Only frames whose stream contains this; by default what the kind is about."""
    delay_ms: int = 1000
    """delay: how long; notice_64008: until the close."""
    retry_after_s: int = 1
    """http_429: what the answer advises."""


class _Armed(Struct):
    fault: Fault
    due_s: float
    due_frames: int
    left: int


_ABOUT: Final = {
    BINANCE_SPOT: {FaultKind.NAN: "rade", FaultKind.NEGATIVE_SIZE: "rade", FaultKind.SEQUENCE_GAP: "@depth"},
    BINANCE_USDM: {FaultKind.NAN: "rade", FaultKind.NEGATIVE_SIZE: "rade", FaultKind.SEQUENCE_GAP: "@depth"},
    BYBIT: {FaultKind.NAN: "rade", FaultKind.NEGATIVE_SIZE: "rade", FaultKind.SEQUENCE_GAP: "orderbook"},
    OKX: {FaultKind.NAN: "trades", FaultKind.NEGATIVE_SIZE: "trades", FaultKind.SEQUENCE_GAP: "books"},
}
_PRICE_SIZE: Final = {BINANCE_USDM: ("p", "q"), BINANCE_SPOT: ("p", "q"), BYBIT: ("p", "v"), OKX: ("px", "sz")}


class Faults:
    """The script as far as it is not done."""

    def __init__(self) -> None:
        self.applied: Counter[str] = Counter()
        self.frames: Counter[str] = Counter()
        self._armed: list[_Armed] = []
        self._held: dict[tuple[Socket, str], bytes] = {}

    @property
    def waiting(self) -> int:
        """Faults not used up."""
        return len(self._armed)

    def load(self, script: bytes, now_s: float) -> int:
        """Arm a JSON list of faults; raises msgspec.ValidationError or DecodeError for anything else."""
        faults = msgspec.json.decode(script, type=list[Fault])
        for fault in faults:
            if fault.venue not in _ABOUT:
                raise msgspec.ValidationError(f"unknown venue {fault.venue!r}: one of {sorted(_ABOUT)}")
            due = self.frames[fault.venue] + fault.after_frames
            self._armed.append(_Armed(fault, now_s + fault.at_s, due, fault.count))
        return len(faults)

    def send(self, venue: str, socket: Socket, stream: str, frame: bytes, now_s: float) -> None:
        """Send a data frame, or what the script makes of it."""
        self.frames[venue] += 1
        held = self._held.pop((socket, stream), None) if self._held else None
        fault = self._due(venue, stream, now_s) if self._armed else None
        if fault is None:
            socket.send(frame)
        else:
            self._apply(fault, venue, socket, stream, frame)
        if held is not None:
            socket.send(held)

    def refuse(self, venue: str, now_s: float) -> int | None:
        """Return the Retry-After in seconds where a request of `venue` shall be answered with 429."""
        fault = self._due(venue, "", now_s, http=True)
        return fault.retry_after_s if fault else None

    def release(self) -> None:
        """Send what was held back for a frame that never comes: there are no more."""
        held, self._held = self._held, {}
        for (socket, _), frame in held.items():
            socket.send(frame)

    def forget(self, socket: Socket) -> None:
        """Drop what was held back for a connection that is gone."""
        for key in [key for key in self._held if key[0] is socket]:
            del self._held[key]

    def _due(self, venue: str, stream: str, now_s: float, *, http: bool = False) -> Fault | None:
        for armed in self._armed:
            fault = armed.fault
            if fault.venue != venue or now_s < armed.due_s or self.frames[venue] < armed.due_frames:
                continue
            if (fault.kind is FaultKind.HTTP_429) is not http:
                continue
            if not http and (fault.channel or _ABOUT[venue].get(fault.kind, "")) not in stream:
                continue
            armed.left -= 1
            if armed.left <= 0:
                self._armed.remove(armed)
            self.applied[fault.kind] += 1
            return fault
        return None

    def _apply(self, fault: Fault, venue: str, socket: Socket, stream: str, frame: bytes) -> None:
        match fault.kind:
            case FaultKind.DROP | FaultKind.SEQUENCE_GAP:
                return
            case FaultKind.REORDER:
                self._held[socket, stream] = frame
                return
            case FaultKind.DISCONNECT:
                socket.abort()
                return
            case FaultKind.HALF_OPEN:
                socket.freeze()
                return
            case FaultKind.DELAY:
                socket.stall(fault.delay_ms / 1000)
            case FaultKind.NOTICE_64008:
                socket.send(_NOTICE)
                socket.close_later(fault.delay_ms / 1000)
            case _:
                socket.send(_SPOIL[fault.kind](venue, frame))
        socket.send(frame)


_NOTICE: Final = (
    b'{"event":"notice","code":"64008","msg":"The connection will soon be closed for a service upgrade. '
    b'Please reconnect.","connId":"5a4d3ae5"}'
)


_UNKNOWN: Final = {
    OKX: b'{"arg":{"channel":"mystery","instId":"BTC-USDT"},"data":[{"ts":"1"}]}',
    BINANCE_USDM: b'{"stream":"btcusdt@mystery","data":{"e":"mystery","E":1,"s":"BTCUSDT"}}',
    BINANCE_SPOT: b'{"stream":"btcusdt@mystery","data":{"e":"mystery","E":1,"s":"BTCUSDT"}}',
    BYBIT: b'{"topic":"mystery.BTCUSDT","type":"snapshot","ts":1,"data":[{"s":"BTCUSDT"}]}',
}
_SPOIL: Final[dict[FaultKind, Callable[[str, bytes], bytes]]] = {
    FaultKind.DUPLICATE: lambda _venue, frame: frame,
    FaultKind.TRUNCATE: lambda _venue, frame: frame[: len(frame) // 2],
    FaultKind.GARBAGE_UTF8: lambda _venue, frame: (
        frame[: len(frame) // 2] + b"\xff\xfe\xc3\x28" + frame[len(frame) // 2 :]
    ),
    FaultKind.UNKNOWN_CHANNEL: lambda venue, _frame: _UNKNOWN[venue],
    FaultKind.OVERSIZE: lambda _venue, _frame: b'{"stream":"oversize","data":"' + b"x" * OVERSIZE_BYTES + b'"}',
    FaultKind.NAN: lambda venue, frame: _with(frame, _PRICE_SIZE[venue][0], "NaN"),
    FaultKind.NEGATIVE_SIZE: lambda venue, frame: _with(frame, _PRICE_SIZE[venue][1], "-1"),
}


def _with(frame: bytes, key: str, value: str) -> bytes:
    message: dict[str, Any] = msgspec.json.decode(frame)
    inner = message.get("data", message)
    row = inner[0] if isinstance(inner, list) else inner
    if key in row:
        row[key] = value
    else:  # a book: spoil the first level there is
        levels = next((row[name] for name in ("b", "a", "bids", "asks") if row.get(name)), [["", ""]])
        levels[0][0 if value == "NaN" else 1] = value
    return msgspec.json.encode(message)
