"""CoinAPI's trades after any interruptions, filled by pages asked for by time, equal the tape of nobody's absence."""

import itertools
import json
from urllib.parse import parse_qs, urlsplit

from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import SECOND_NS, Origin, Trade
from libs.common.events.symbols import spot
from services.ingest.recovery.recent import RecentTape
from services.ingest.venues import Coinapi
from services.ingest.venues.moments import moment, moment_ns
from services.ingest.venues.terms import Instrument

VENUE = Coinapi()
BTC = Instrument(symbol="BTC-USD", native="COINBASE_SPOT_BTC_USD", kind=spot("BTC", "USD"), tick=0.01, lot=1e-8)
NOON_NS = moment_ns("2026-09-25T12:00:00Z")
PAGE = 6
"""Rows of a page here; more than there are trades of one moment."""


def rows_of(steps: list[int], unsided: set[int]) -> list[dict[str, object]]:
    """The exchange's tape; a step of 0 is the same moment, three in a row at most."""
    rows, at_ns, same = [], NOON_NS, 0
    for number, step in enumerate(steps):
        same = same + 1 if not step else 0
        at_ns += step * SECOND_NS or (SECOND_NS if same > 3 else 0)
        same %= 4
        rows.append(
            {
                "time_exchange": moment(at_ns),
                "uuid": f"u{(number * 7919) % 10_007}",  # in no order
                "price": 100.0,
                "size": 1.0,
                "taker_side": "UNKNOWN" if number in unsided else "BUY",
            }
        )
    return rows


def read(rows: list[dict[str, object]], after_id: str = "") -> list[Trade]:
    return VENUE.trades(BTC, after_id, json.dumps(rows).encode(), 1, Origin.LIVE)


def fill(tape: RecentTape, rows: list[dict[str, object]]) -> list[Trade]:
    """Ask for pages until the hole is filled."""
    out: list[Trade] = []
    for _ in range(len(rows) + 1):
        if (hole := tape.hole) is None:
            return out
        request = VENUE.trades_request_since(BTC, hole.after.trade_id, hole.after.event_ns)
        since = parse_qs(urlsplit(request.url).query)["time_start"][0]
        page = [row for row in rows if str(row["time_exchange"]) >= since][:PAGE]
        out += tape.merge(read(page, hole.after.trade_id))
    raise AssertionError("the hole is never filled")


@given(
    steps=st.lists(st.integers(0, 3), min_size=2, max_size=60),
    missed=st.sets(st.integers(1, 58), max_size=40),
    unsided=st.sets(st.integers(1, 58), max_size=2),
)
def test_what_was_missed_is_merged_once(steps: list[int], missed: set[int], unsided: set[int]) -> None:
    rows = rows_of(steps, unsided)
    last = max(set(range(len(rows))) - missed - unsided)
    tape, out = RecentTape(), []
    for number, row in enumerate(rows[: last + 1]):
        if number in missed:
            tape.interrupted()
            continue
        for trade in read([row]):
            out += tape.offer(trade)
        out += fill(tape, rows[: number + 1])
    assert sorted(one.trade_id for one in out) == sorted(one.trade_id for one in read(rows[: last + 1]))
    assert tape.held == 0
    assert all(now.event_ns >= before.event_ns for before, now in itertools.pairwise(out))
