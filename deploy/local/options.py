"""What `csx up` was asked for: words of the command line in, a checked request out. Pure."""

import re
from collections.abc import Sequence
from enum import StrEnum, unique
from pathlib import Path
from typing import Final

from msgspec import Struct

from libs.common.events.symbols import Kind, SymbolError, parse
from libs.common.runtime.errors import InputError
from services.ingest.listings.wishes import top_of
from services.ingest.vendors import VENDORS
from services.ingest.venues import VENUES

SANDBOXED: Final = ("binance-usdm", "okx", "bybit", "binance-spot")
"""Venues that the sandbox speaks; the first two when nobody says which."""
RECORDED: Final = ("binance-usdm", "okx", "binance-spot")
"""Venues whose recordings can be played."""
LIVE: Final = tuple(sorted(VENUES))
DEFAULT_VENUES: Final = SANDBOXED[:2]
DEFAULT_SYMBOLS: Final[dict[str, tuple[str, ...]]] = {
    "binance-usdm": ("BTC-USDT-PERP", "ETH-USDT-PERP", "SOL-USDT-PERP"),
    "okx": ("BTC-USDT-PERP", "BTC-USDT"),
    "bybit": ("BTC-USDT-PERP", "ETH-USDT-PERP", "BTC-USDT"),
    "binance-spot": ("BTC-USDT", "ETH-USDT", "SOL-USDT"),
    "binance-coinm": ("BTC-USD-PERP",),
    "hyperliquid": ("BTC-USDC-PERP", "ETH-USDC-PERP"),
    "kraken": ("BTC-USD", "ETH-USD"),
}
"""What is watched when nobody says what; of a venue that is not here it must be said."""

_KINDS: Final = {
    "binance-usdm": frozenset({Kind.PERPETUAL, Kind.FUTURE}),
    "binance-coinm": frozenset({Kind.PERPETUAL, Kind.FUTURE}),
    "binance-spot": frozenset({Kind.SPOT}),
    "hyperliquid": frozenset({Kind.PERPETUAL}),
    "kraken": frozenset({Kind.SPOT}),
}
"""Venues that have some kinds only."""
_UNITS: Final = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)([smh]?)")
_ADDRESS: Final = re.compile(r"[^\s,:/]+:\d{1,5}(?:,[^\s,:/]+:\d{1,5})*")


@unique
class Feed(StrEnum):
    """Where the market comes from."""

    SANDBOX = "sandbox"
    LIVE = "live"
    FILES = "files"

    @property
    def origin(self) -> str:
        """The `origin` that every event of this feed carries."""
        return {"sandbox": "simulated", "live": "live", "files": "recorded"}[self.value]


class Request(Struct, frozen=True, kw_only=True):
    """One `csx up`, checked."""

    feed: Feed
    files: tuple[Path, ...] = ()
    markets: dict[str, tuple[str, ...]]
    """Symbols by venue."""
    vendors: tuple[str, ...] = ()
    """Asked about the coins of all markets, with keys of the environment; of a live feed only."""
    speed: float = 1.0
    port: int = 8080
    broker: str = "embedded"
    """`embedded`, `native`, or the host:port of a broker that runs already."""
    seconds: float | None = None
    """Stop after so long; None: until told."""
    fresh: bool = False
    data_dir: Path = Path(".csx")
    seed: int = 1
    own_bot: bool = False
    """Alerts go to people through a bot of their own, which only signals of a live market may."""
    watched: bool = True
    """A dead-man's switch runs beside the alerts; with a bot of one's own it must be known whom to tell."""


def request(
    *,
    feeds: Sequence[str],
    venue: str | None,
    symbols: str | None,
    speed: float,
    port: int,
    broker: str,
    lasting: str | None,
    fresh: bool,
    data_dir: Path,
    seed: int,
    own_bot: bool,
    owners: bool = False,
    vendors: str | None = None,
) -> Request:
    """Check the words of the command line.

    Raises:
        InputError: a word cannot be understood, or two contradict each other; the message names the option.
    """
    feed, files = _feed(feeds)
    if speed <= 0:
        raise InputError("--speed: must be more than 0")
    if not 1 <= port <= 65535:
        raise InputError(f"--port: {port} is no port")
    return Request(
        feed=feed,
        files=files,
        markets=_markets(feed, files, venue, symbols),
        vendors=_vendors(feed, vendors),
        speed=speed,
        port=port,
        broker=_broker(broker),
        seconds=None if lasting is None else duration(lasting),
        fresh=fresh,
        data_dir=data_dir,
        seed=seed,
        own_bot=own_bot and feed is Feed.LIVE,
        watched=owners or not (own_bot and feed is Feed.LIVE),
    )


def duration(text: str) -> float:
    """Return the seconds of `60`, `60s`, `5m`, `2h`.

    Raises:
        InputError: another form.
    """
    found = _DURATION.fullmatch(text)
    if not found:
        raise InputError(f"--for: {text!r} is no duration: write 90s, 5m or 2h")
    return float(found[1]) * _UNITS[found[2]]


def venue_of(path: Path) -> str | None:
    """Return the venue whose name a folder of `path` carries (`.../binance_usdm/day.gz`); None where none does."""
    for folder in reversed(path.absolute().parent.parts):
        name = folder.replace("_", "-")
        if name in RECORDED:
            return name
    return None


def _feed(words: Sequence[str]) -> tuple[Feed, tuple[Path, ...]]:
    named = [Feed(word) for word in words if word in {"sandbox", "live"}]
    files = tuple(Path(word) for word in words if word not in {"sandbox", "live"})
    if len(named) + bool(files) > 1:
        raise InputError("--feed: choose one of sandbox, live or recordings")
    if not files:
        return (named[0] if named else Feed.SANDBOX), ()
    for path in files:
        if not path.is_file():
            raise InputError(f"--feed: {path} is neither sandbox, nor live, nor a file")
    return Feed.FILES, tuple(path.absolute() for path in files)


def _markets(feed: Feed, files: Sequence[Path], venue: str | None, symbols: str | None) -> dict[str, tuple[str, ...]]:
    known = {Feed.SANDBOX: SANDBOXED, Feed.LIVE: LIVE, Feed.FILES: RECORDED}[feed]
    venues = tuple(dict.fromkeys(word.strip() for word in (venue or "").split(",") if word.strip()))
    for name in venues:
        if name not in known:
            raise InputError(f"--venue: {name!r} is unknown, there are {', '.join(known)}")
    chosen = _symbols(symbols)
    if feed is Feed.FILES:
        found = venues[0] if venues else venue_of(files[0])
        if found is None or len(venues) > 1:
            raise InputError(f"--venue: say whose recording {files[0].name} is, one of {', '.join(known)}")
        return {found: chosen}
    venues = venues or DEFAULT_VENUES
    markets = {name: _traded(name, chosen) if chosen else DEFAULT_SYMBOLS.get(name, ()) for name in venues}
    if not chosen and not all(markets.values()):
        silent = ", ".join(name for name, symbols in markets.items() if not symbols)
        raise InputError(f"--symbols: say what to watch on {silent}")
    markets = {name: found for name, found in markets.items() if found}
    if not markets:
        raise InputError(f"--symbols: {', '.join(chosen)} cannot be on {', '.join(venues)}: there is no such kind")
    return markets


def _vendors(feed: Feed, text: str | None) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(word.strip() for word in (text or "").split(",") if word.strip()))
    for name in names:
        if name not in VENDORS:
            raise InputError(f"--vendors: {name!r} is unknown, there are {', '.join(sorted(VENDORS))}")
    if names and feed is not Feed.LIVE:
        raise InputError("--vendors: they speak of the live market: choose --feed live")
    return names


def _traded(venue: str, symbols: tuple[str, ...]) -> tuple[str, ...]:
    """Keep what `venue` can have: Binance's futures have no spot, and its spot nothing else."""
    kinds = _KINDS.get(venue, frozenset(Kind))
    return tuple(word for word in symbols if (top_of(word) or parse(word)).kind in {None, *kinds})


def _symbols(text: str | None) -> tuple[str, ...]:
    words = tuple(word.strip() for word in (text or "").split(",") if word.strip())
    for word in words:
        try:
            top_of(word) or parse(word)
        except SymbolError as e:
            raise InputError(f"--symbols: {e}") from e
    return words


def _broker(text: str) -> str:
    if text in {"embedded", "native"} or _ADDRESS.fullmatch(text):
        return text
    raise InputError(f"--broker: {text!r} is neither embedded, nor native, nor host:port")
