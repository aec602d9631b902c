"""Settings of the ingest service, from `CSX_INGEST_*` and the shared keys: one process follows one venue."""

from typing import Annotated, Any

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from libs.common.events import Origin
from libs.common.events.symbols import SymbolError, parse
from services.ingest.vendor_settings import VENDORS_ALONE, VendorSettings
from services.ingest.venues import VENUES
from services.ingest.venues.venue import Stream


class Settings(VendorSettings, env_prefix="CSX_INGEST_"):
    """What to follow, where, and how patiently."""

    venue: str = "okx"
    """A name of `VENUES`, or `vendors`: such a process asks vendors and follows no venue."""
    symbols: Annotated[tuple[str, ...], NoDecode] = ("BTC-USDT-PERP",)
    """Canonical symbols, commas between."""
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
    buffer_events: int = Field(500, ge=1, le=100_000)
    """Events of one symbol and class that may wait for the broker."""
    history_bars: int = Field(500, ge=0, le=1500)
    """Closed candles of each timeframe fetched at the start; 0 fetches none."""
    snapshot_every_s: float = Field(60.0, gt=0)
    """Between two whole books of a symbol."""
    rotate_every_s: float = Field(23 * 3600.0, gt=0)
    """A connection is replaced at that age."""
    first_data_s: float = Field(60.0, gt=0)
    """A connection whose trades or books never came by then is made anew."""
    backfill_age_s: float = Field(3600.0, ge=0)
    """Trades older than that are not fetched: their hole stays."""
    held_trades: int = Field(20_000, ge=1)
    """Live trades of one symbol that may wait for a backfill."""
    rest_weight_per_minute: float = Field(1200.0, gt=0)
    """REST budget in the venue's own unit; half of the tightest limit of the venues known here."""

    @field_validator("symbols", "streams", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))
        return value

    @field_validator("symbols")
    @classmethod
    def _symbols(cls, symbols: tuple[str, ...]) -> tuple[str, ...]:
        if not symbols:
            raise ValueError("no symbol: name at least one, such as BTC-USDT-PERP")
        for symbol in symbols:
            try:
                parse(symbol)
            except SymbolError as e:
                raise ValueError(str(e)) from e
        return symbols

    @field_validator("venue")
    @classmethod
    def _venue(cls, venue: str) -> str:
        if venue not in VENUES and venue != VENDORS_ALONE:
            raise ValueError(f"unknown venue {venue!r}: one of {', '.join(sorted(VENUES))}, or {VENDORS_ALONE}")
        return venue

    def venue_options(self) -> dict[str, Any]:
        """Return what the venue's maker takes, without what was left to its own defaults."""
        options = {"ws_url": self.ws_url, "rest_url": self.rest_url, "trade_channel": self.trade_channel}
        return {name: value for name, value in options.items() if value}
