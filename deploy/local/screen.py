"""What a person sees of a running system: lines of many processes in, one readable log and one line of progress out."""

import os
import sys
import time
from pathlib import Path
from threading import Lock
from typing import Any, Final, TextIO

import msgspec

_COLOURS: Final = (36, 32, 35, 33, 34, 96, 92, 95, 93, 94)
_LEVELS: Final = {"debug": 90, "info": 0, "warning": 33, "error": 31, "critical": 31}
_SKIPPED: Final = frozenset({"time", "level", "service", "logger", "message"})
_TROUBLE: Final = ("ERROR", "FATAL", "PANIC", "Fatal error")
_WIDTH: Final = 19
_KEEP_BYTES: Final = 16 << 20


class Line(msgspec.Struct, frozen=True):
    """One line of a process, understood."""

    at: str
    level: str
    text: str


def understand(raw: str, now: str) -> Line:
    """Read one line: our JSON form becomes `message key=value`, everything else stays as it is."""
    if raw.startswith("{"):
        try:
            fields: dict[str, Any] = msgspec.json.decode(raw, type=dict[str, Any])
        except msgspec.DecodeError:
            fields = {}
        if "message" in fields:
            long = {key: str(value) for key, value in fields.items() if key not in _SKIPPED and "\n" in str(value)}
            short = [key for key in fields if key not in _SKIPPED and key not in long]
            facts = "".join(f" {key}={_short(fields[key])}" for key in short)
            trouble = "".join(f"\n    {line}" for text in long.values() for line in text.splitlines())
            stamp = str(fields.get("time", ""))[11:23].replace(",", ".") or now
            return Line(stamp, str(fields.get("level", "info")).lower(), f"{fields['message']}{facts}{trouble}")
    return Line(now, "info", raw)


class Screen:
    """One log on stderr, coloured on a terminal unless NO_COLOR is set, with a line of progress below it.

    Every raw line is also kept in `<log_dir>/<process>.log` (16 MiB, then the older half goes to `.log.1`).
    """

    def __init__(
        self, log_dir: Path | None = None, *, stream: TextIO | None = None, keep_bytes: int = _KEEP_BYTES
    ) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._terminal = self._stream.isatty()
        self._colour = self._terminal and "NO_COLOR" not in os.environ
        self._log_dir = log_dir
        self._keep_bytes = keep_bytes
        self._lock = Lock()
        self._names: list[str] = []
        self._progress = ""
        self.broken = False
        """Nobody reads the log any more."""

    def line(self, name: str, raw: str, *, quiet: bool = False) -> None:
        """Show one line of process `name`; a quiet process is shown only where it complains."""
        with self._lock:
            self._keep(name, raw)
            if quiet and not any(word in raw for word in _TROUBLE):
                return
            self._write(self._render(name, understand(raw, _now())))

    def say(self, text: str, level: str = "info") -> None:
        """Show a line of our own."""
        with self._lock:
            self._write(self._render("up", Line(_now(), level, text)))

    def progress(self, text: str) -> None:
        """Show what is being waited for; the empty text ends it."""
        with self._lock:
            if text == self._progress:
                return
            self._progress = text
            if self._terminal:
                self._put(f"\r\x1b[K{text}")
            elif text:
                self._put(f"{text}\n")

    def _render(self, name: str, line: Line) -> str:
        if not self._colour:
            return f"{line.at} {name:<{_WIDTH}} {line.level:<7} {line.text}"
        if name not in self._names:
            self._names.append(name)
        colour = _COLOURS[self._names.index(name) % len(_COLOURS)]
        level = _LEVELS.get(line.level, 0)
        head = f"\x1b[90m{line.at}\x1b[0m \x1b[{colour}m{name:<{_WIDTH}}\x1b[0m"
        return f"{head} \x1b[{level}m{line.level:<7} {line.text}\x1b[0m"

    def _write(self, text: str) -> None:
        if self._terminal and self._progress:
            self._put(f"\r\x1b[K{text}\n{self._progress}")
        else:
            self._put(f"{text}\n")

    def _put(self, text: str) -> None:
        if self.broken:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # the reader has gone
            self.broken = True

    def _keep(self, name: str, raw: str) -> None:
        if self._log_dir is None:
            return
        path = self._log_dir / f"{name}.log"
        try:
            with path.open("a", encoding="utf-8", errors="replace") as file:
                file.write(f"{raw}\n")
                long = file.tell() > self._keep_bytes
            if long:
                path.replace(path.with_suffix(".log.1"))
        except OSError as e:
            self._log_dir = None
            self._write(self._render("up", Line(_now(), "warning", f"log files are no longer kept: {e}")))


def _now() -> str:
    return f"{time.strftime('%H:%M:%S', time.gmtime())}.{time.time_ns() // 1_000_000 % 1000:03d}"


def _short(value: object) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return f'"{text}"' if " " in text else text
