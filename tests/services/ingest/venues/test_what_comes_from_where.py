"""The table "What comes from where" of docs/semantics.md says what the venues do."""

from pathlib import Path

import pytest

from libs.common.events.symbols import parse
from services.ingest.venues import KEYED, VENUES
from services.ingest.venues.terms import Instrument, Stream
from services.ingest.venues.venue import Venue

PAGE = Path(__file__).resolve().parents[4] / "docs" / "semantics.md"
COLUMNS = ("trades", "books", "candles", "liquidations", "funding", "mark price", "open interest", "turnover", "time")
SPOT_ONLY = frozenset({"binance-spot", "kraken", "coinapi"})
INVERSE = frozenset({"binance-coinm"})


def _table() -> dict[str, dict[str, str]]:
    section = PAGE.read_text(encoding="utf-8").split("### What comes from where")[1].split("\n###")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| `")]
    return {name.strip(" `"): dict(zip(COLUMNS, map(str.strip, cells), strict=True)) for name, *cells in rows}


def _instrument(venue: str) -> Instrument:
    symbol = "BTC-USD-PERP" if venue in INVERSE else "BTC-USDT" if venue in SPOT_ONLY else "BTC-USDT-PERP"
    native = "linear:BTCUSDT" if venue == "bybit" else "BTC"
    kind = parse(symbol)
    return Instrument(symbol=symbol, native=native, kind=kind, tick=0.1, lot=0.1, inverse=kind.inverse)


def _venue(name: str) -> Venue:
    options = {"api_key": "key"} if name in KEYED else {}
    venue: Venue = VENUES[name](**options)
    return venue


def test_every_venue_has_its_row() -> None:
    assert set(_table()) == set(VENUES)


@pytest.mark.parametrize("name", sorted(VENUES))
def test_the_row_says_what_the_venue_does(name: str) -> None:
    row, venue, one = _table()[name], _venue(name), _instrument(name)
    heard = {stream for plan in venue.plan([one], list(Stream)) for stream in plan.streams}
    assert {Stream.TRADES, Stream.BOOKS} <= heard
    says = {column: not cell.startswith("-") for column, cell in row.items()}
    assert says["trades"]
    assert says["books"]
    assert row["candles"].startswith("REST ")
    asked = venue.open_interest_request(one) is not None
    assert asked == row["open interest"].startswith("REST ")
    assert says["turnover"] == bool(venue.turnover_requests())
    assert says["time"] == (venue.clock_request() is not None)
    if name not in SPOT_ONLY:
        assert says["funding"] == says["mark price"] == (Stream.FUNDING in heard)
    else:
        assert not any(says[column] for column in ("funding", "mark price", "open interest", "liquidations"))
