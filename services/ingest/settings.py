"""Settings of the ingest service, from `CSX_INGEST_*` and the shared keys: one process follows one venue."""

import inspect
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from libs.common.events import Origin
from libs.common.events.symbols import SymbolError, parse
from services.ingest.listings.wishes import Top, top_of
from services.ingest.vendor_settings import VENDORS_ALONE, VendorSettings
from services.ingest.venues import KEYED, VENUES
from services.ingest.venues.terms import Stream


class Settings(VendorSettings, env_prefix="CSX_INGEST_"):
    """What to follow, where, and how patiently."""

    venue: str = "okx"
    """A name of `VENUES`, or `vendors`: such a process asks vendors and follows no venue."""
    symbols: Annotated[tuple[str, ...], NoDecode] = ("BTC-USDT-PERP",)
    """Canonical symbols, or `top:65`, `top:65:PERP`, `top:65:USDT-PERP` for the busiest; commas between."""
    streams: Annotated[tuple[Stream, ...], NoDecode] = tuple(Stream)
    """What is listened to, commas between."""
    ws_url: str | None = None
    """Scheme and host of the venue's sockets; the venue's own where absent."""
    rest_url: str | None = None
    """Scheme and host of the venue's REST; the venue's own where absent."""
    origin: Origin = Origin.LIVE
    """What every event says of its birth: a sandbox must say `simulated`, a replay `recorded`."""
    trade_channel: str | None = None
    """Which executions become trades, where the venue offers several."""
    api_key: SecretStr = Field(SecretStr(""), validate_default=True)
    """The account's key, for a venue that asks for one (`coinapi`); never logged."""
    exchange: str | None = Field(None, pattern="^[A-Z0-9]+$")
    """Whose markets are followed, where the venue speaks for several (`coinapi`: `COINBASE` where absent)."""
    book_channel: str | None = None
    """Which book is followed, where the venue offers several (`coinapi`: `book` where absent, `book5`, `book20`,
    `book50`; `kraken`: `book10` where absent, `book25`, `book100`, `book500`, `book1000`; `hyperliquid`: `book20`
    where absent, `book5`)."""
    buffer_events: int = Field(500, ge=1, le=100_000)
    """Events of one symbol and class that may wait for the broker."""
    spill_dir: Path | None = None
    """Where events wait while the broker is away, in a directory of the venue's name; absent: they wait in memory."""
    spill_mib: int = Field(256, ge=1, le=1_000_000)
    """Size of that directory at most; then what is worth least is given up first."""
    spill_after_s: float = Field(10.0, gt=0)
    """Without an acknowledgement for so long the broker counts as away; until then it is slow, and the sockets wait."""
    history_bars: int = Field(500, ge=0, le=1500)
    """Closed candles of each timeframe fetched at the start; 0 fetches none."""
    snapshot_every_s: float = Field(60.0, gt=0)
    """Between two whole books of a symbol."""
    rotate_every_s: float = Field(23 * 3600.0, gt=0)
    """A connection is replaced at that age."""
    first_data_s: float = Field(60.0, gt=0)
    """Trades or a book that have not come by then are asked for again, then their connection is made anew, once."""
    backfill_age_s: float = Field(3600.0, ge=0)
    """Trades older than that are not fetched: their hole stays."""
    instruments_every_s: float = Field(300.0, ge=1)
    """Between two looks at what the venue lists."""
    pick_every_s: float = Field(3600.0, ge=1)
    """Between two choices of the busiest (`top:`), at least."""
    held_trades: int = Field(20_000, ge=1)
    """Live trades of one symbol that may wait for a backfill."""
    open_interest_every_s: float = Field(60.0, ge=1)
    """Between two questions for one symbol's open interest, where no socket says it; more where there are many."""
    audit_every_s: float = Field(300.0, ge=1)
    """Between two rounds in which our closed candles are compared with the venue's."""
    quality_every_s: float = Field(10.0, gt=0)
    """Between two reports of how well the venue is heard (`ingest.quality.v1`)."""
    quality_window_s: float = Field(3600.0, gt=0)
    """How far back such a report looks."""
    clock_every_s: float = Field(300.0, gt=0)
    """Between two comparisons of the venue's clock with ours."""
    rest_weight_per_minute: float | None = Field(None, gt=0)
    """REST budget in the venue's own unit; the venue's default, half of what it allows, where absent."""

    @field_validator("symbols", "streams", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))
        return value

    @field_validator("symbols")
    @classmethod
    def _symbols(cls, symbols: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if not symbols:
            raise ValueError("no symbol: name at least one, such as BTC-USDT-PERP")
        for symbol in symbols:
            try:
                top = top_of(symbol) or parse(symbol)
            except SymbolError as e:
                raise ValueError(str(e)) from e
            if isinstance(top, Top) and info.data.get("venue") == VENDORS_ALONE:
                raise ValueError(f"{symbol}: the busiest of what? vendors are no venue: name symbols")
        return symbols

    @field_validator("venue")
    @classmethod
    def _venue(cls, venue: str) -> str:
        if venue not in VENUES and venue != VENDORS_ALONE:
            raise ValueError(f"unknown venue {venue!r}: one of {', '.join(sorted(VENUES))}, or {VENDORS_ALONE}")
        return venue

    @field_validator("api_key")
    @classmethod
    def _api_key(cls, key: SecretStr, info: ValidationInfo) -> SecretStr:
        if info.data.get("venue") in KEYED and not key.get_secret_value():
            raise ValueError(f"{info.data['venue']} gives nothing without a key: set the account's")
        if not (key.get_secret_value().isascii() and key.get_secret_value().isprintable()):
            raise ValueError("it holds a character that no header can carry")
        return key

    @field_validator("trade_channel", "exchange", "book_channel")
    @classmethod
    def _taken(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value and (venue := info.data.get("venue")):
            choice = _options_of(venue).get(str(info.field_name))
            if choice is None:
                raise ValueError(f"{venue} has no such choice: leave it out")
            if (words := get_args(choice)) and value not in words:
                raise ValueError(f"{venue} has: {', '.join(words)}")
        return value

    def venue_options(self) -> dict[str, Any]:
        """Return what the venue's maker takes, without what was left to its own defaults."""
        options = {
            "ws_url": self.ws_url,
            "rest_url": self.rest_url,
            "trade_channel": self.trade_channel,
            "exchange": self.exchange,
            "book_channel": self.book_channel,
        }
        if "api_key" in _options_of(self.venue):
            options["api_key"] = self.api_key.get_secret_value()
        return {name: value for name, value in options.items() if value}


def _options_of(venue: str) -> dict[str, Any]:
    """Return what the venue's maker takes, each with its type: a choice says its words there."""
    make = VENUES.get(venue)
    parameters = inspect.signature(make).parameters if make else {}
    return {name: one.annotation for name, one in parameters.items()}
