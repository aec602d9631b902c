"""Order flow of recorded sessions, against polars over books that dictionaries keep from the raw frames."""

import gzip
import heapq
import json

import polars as pl
import pytest

from deploy.proving.causality import SESSIONS
from libs.common.events import BookDelta, BookSnapshot
from services.ingest.recording.normalize import Normalizer
from services.signals.engine.book import Book
from services.signals.engine.config import EngineConfig
from services.signals.engine.layers.order_flow import OrderFlow

pytestmark = pytest.mark.recordings

LEVELS = 5
HORIZON_NS = 30 * 10**9


def depth_frames(folder, names):
    """Return the snapshot, and the changes that follow it, as the exchange told them."""
    snapshots, changes = [], []
    for name in names:
        with gzip.open(folder / name) as lines:
            for line in lines:
                if b"depthUpdate" in line or b"lastUpdateId" in line:
                    frame = json.loads(line.split(b" ", 1)[1])
                    frame = frame.get("data", frame)
                    if "lastUpdateId" in frame:
                        snapshots.append(frame)
                    else:
                        changes.append(frame)
    (snapshot,) = snapshots
    return snapshot, [row for row in changes if row["u"] > snapshot["lastUpdateId"]]


def touches(folder, names):
    """Return a row for each state of the book: its last update, time, then price and size of five levels a side."""
    snapshot, changes = depth_frames(folder, names)
    sides = [{float(p): float(q) for p, q in snapshot[side]} for side in ("bids", "asks")]
    rows = []
    for frame in changes:
        for side, rows_told in zip(sides, (frame["b"], frame["a"]), strict=True):
            side.update((float(p), float(q)) for p, q in rows_told)
            for price in [price for price, size in side.items() if size == 0]:
                del side[price]
        bids = heapq.nlargest(LEVELS, sides[0].items())
        asks = heapq.nsmallest(LEVELS, sides[1].items())
        at_ns = frame.get("T", frame["E"]) * 10**6
        rows.append((frame["u"], at_ns, *[x for level in (*bids, *asks) for x in level]))
    names_of = [f"{side}{what}{m}" for side in "ba" for m in range(LEVELS) for what in "pq"]
    return pl.DataFrame(rows, schema=["sequence", "at_ns", *names_of], orient="row")


def flows(table, m):
    """Return e of level m by Cont, Kukanov, Stoikov, between each row and the one before."""
    bp, bq, ap, aq = (pl.col(f"{name}{m}") for name in ("bp", "bq", "ap", "aq"))
    bought = pl.when(bp >= bp.shift()).then(bq).otherwise(0) - pl.when(bp <= bp.shift()).then(bq.shift()).otherwise(0)
    sold = pl.when(ap <= ap.shift()).then(aq).otherwise(0) - pl.when(ap >= ap.shift()).then(aq.shift()).otherwise(0)
    return table.select((bought - sold).alias("e"))["e"]


def decayed(table, values):
    """Return the sums of everything so far, each value forgotten by exp(-age / horizon)."""
    age = (table["at_ns"] - table["at_ns"][0]).cast(pl.Float64) / HORIZON_NS
    return (values * age.exp()).cum_sum() * (-age).exp()


@pytest.fixture(scope="module", params=list(SESSIONS))
def session(request, recordings):
    names = SESSIONS[request.param]
    events = Normalizer(request.param, [recordings / "raw" / name for name in names]).run()
    return touches(recordings / "raw", names), list(events)


def test_order_flow_imbalance_is_what_polars_finds_in_the_raw_frames(session):
    table, events = session
    first = next(event for event in events if isinstance(event, BookSnapshot))
    table = table.filter(pl.col("sequence") >= first.sequence)  # changes that waited for the snapshot tell no flow
    changed = pl.any_horizontal([pl.col(name) != pl.col(name).shift() for name in table.columns[2:]])
    table = table.with_row_index("row").filter((pl.col("row") == 0) | changed)
    assert table["at_ns"].is_sorted()
    e = [flows(table, m).fill_null(0) for m in range(LEVELS)]
    nets = [decayed(table, one) for one in e]
    grosses = [decayed(table, one.abs()) for one in e]
    ones = pl.Series([0.0] + [1.0] * (len(table) - 1))
    halves = [table[f"bq{m}"] / 2 + table[f"aq{m}"] / 2 for m in range(LEVELS)]
    seen = decayed(table, ones)
    depths = [decayed(table, half * ones) for half in halves]
    wanted = {sequence: at for at, sequence in enumerate(table["sequence"])}

    book, layer, compared = Book.new(EngineConfig().max_book_levels), OrderFlow.new(EngineConfig()), 0
    for event in events:
        if isinstance(event, BookSnapshot):
            book.replace(event)
        elif isinstance(event, BookDelta):
            book.change(event)
        else:
            continue
        layer.on_book(book, event)
        at = wanted.get(book.sequence)
        if not at or not book.valid:
            continue
        compared += 1
        for m in range(LEVELS):
            assert layer.flow[m] == pytest.approx(nets[m][at], rel=1e-9, abs=1e-9 * grosses[m][at])
        net = sum(nets[m][at] * seen[at] / depths[m][at] for m in range(LEVELS))
        gross = sum(grosses[m][at] * seen[at] / depths[m][at] for m in range(LEVELS))
        facts = layer.read(event.event_ns).facts
        assert facts["ofi_depths"] == pytest.approx(net / LEVELS, rel=1e-9, abs=1e-9 * gross)
        assert facts["flow_balance"] == pytest.approx(net / gross if gross else 0.0, rel=1e-9, abs=1e-9)
    assert compared == len(table) - 1 > 5_000
