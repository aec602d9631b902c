"""What `csx ingest record` was asked for: words of the command line in, a checked order out."""

import re
from pathlib import Path
from typing import Final

from msgspec import Struct

from libs.common.events.symbols import SymbolError, parse
from libs.common.runtime.errors import InputError
from services.ingest.recording.volumes import index_path
from services.ingest.venues import VENUES
from services.ingest.venues.terms import Stream

_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)([smh]?)")
_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600}


class Order(Struct, frozen=True, kw_only=True):
    """What to record."""

    venue: str
    symbols: tuple[str, ...]
    out: Path
    streams: tuple[Stream, ...] = tuple(Stream)
    seconds: float | None = None
    """None: until it is told to stop."""
    rotate_bytes: int = 256 << 20
    ws_url: str | None = None
    rest_url: str | None = None

    def check(self) -> None:
        """Refuse what cannot be done before anything is touched.

        Raises:
            InputError: unknown venue, no symbol or none in canonical form, or something lies where it would write.
        """
        if self.venue not in VENUES:
            raise InputError(f"--venue {self.venue}: unknown, one of {', '.join(sorted(VENUES))}")
        if not self.symbols:
            raise InputError("--symbols: name at least one, such as BTC-USDT-PERP")
        for symbol in self.symbols:
            try:
                parse(symbol)
            except SymbolError as e:
                raise InputError(f"--symbols: {e}") from e
        if not self.out.parent.is_dir():
            raise InputError(f"--out {self.out}: there is no folder {self.out.parent}")
        for path in (self.out, index_path(self.out)):
            if path.exists():
                raise InputError(f"--out: {path} is there already; a recording never overwrites another one")

    def options(self) -> dict[str, object]:
        """Return what the index says of it."""
        return {
            "streams": [stream.value for stream in self.streams],
            "seconds": self.seconds,
            "rotate_bytes": self.rotate_bytes,
            "ws_url": self.ws_url,
            "rest_url": self.rest_url,
        }


def streams(text: str) -> tuple[Stream, ...]:
    """Return the streams that `text` names, commas between.

    Raises:
        InputError: one is unknown, or there is none.
    """
    names = [name for name in text.split(",") if name]
    if not names or not set(names) <= {stream.value for stream in Stream}:
        raise InputError(f"--streams {text}: some of {', '.join(Stream)}")
    return tuple(Stream(name) for name in names)


def seconds(text: str) -> float:
    """Return the seconds of `60`, `60s`, `5m`, `2h`.

    Raises:
        InputError: another form, or no time at all.
    """
    found = _DURATION.fullmatch(text)
    if not found or not float(found[1]):
        raise InputError(f"--for: {text!r} is no duration: write 90s, 5m or 2h")
    return float(found[1]) * _UNITS[found[2]]
