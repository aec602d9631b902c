"""What came of a soak in, the findings that the report states out. Pure."""

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct

from deploy.proving.outcome import Outcome
from deploy.proving.report import Finding
from deploy.proving.sampling import MIB, Watched, slope
from deploy.proving.sessions import Session

WARM_S: Final = 120.0
_BOOK_LEVELS: Final = 100


class Played(Struct, frozen=True, kw_only=True):
    """One market after the run."""

    session: Session
    speed: float
    watched: Watched
    status: dict[str, Any]
    """Of its exchange."""
    book: dict[str, Any]
    """Of its exchange, as played."""
    outcome: Outcome
    drained_s: float
    finished_ns: int
    """When the exchange had said all that was recorded, by our clock."""


def findings(played: Sequence[Played], cuts: float) -> list[Finding]:
    """Return every finding, market by market."""
    return [finding for one in played for finding in _of(one, cuts)]


def charted(played: Sequence[Played]) -> str:
    """Return memory, waiting events and what became of every event, for the eye."""
    lines = ["## Minute by minute", "", "| market | minute | RSS, MiB | events waiting | on disk | published |"]
    lines.append("|---|---|---|---|---|---|")
    for one in played:
        minute = -1.0
        for sample in one.watched.samples:
            if not 0 <= sample.at_s < 10**6 or sample.at_s < (minute + 1) * 60:
                continue
            minute = sample.at_s // 60
            metrics = sample.metrics
            lines.append(
                f"| {one.session.venue} | {minute:.0f} | {sample.rss_bytes / MIB:.1f} | "
                f"{metrics.get('csx_ingest_buffer_events', 0):,.0f} | "
                f"{metrics.get('csx_ingest_spill_events', 0):,.0f} | "
                f"{metrics.get('csx_ingest_published_total', 0):,.0f} |"
            )
    return "\n".join(lines)


def _of(one: Played, cuts: float) -> list[Finding]:
    name = one.session.venue
    return [
        *(Finding(f"{name}: {found.what}", found.wanted, found.measured, found.held) for found in _memory(one)),
        *(Finding(f"{name}: {found.what}", found.wanted, found.measured, found.held) for found in _recovery(one, cuts)),
        *(Finding(f"{name}: {found.what}", found.wanted, found.measured, found.held) for found in _result(one)),
    ]


def _memory(one: Played) -> list[Finding]:
    samples = [sample for sample in one.watched.samples if sample.at_s < 10**6]
    warm = [(sample.at_s / 60, sample.rss_bytes / MIB) for sample in samples if sample.at_s >= WARM_S]
    growth, highest = slope(warm), max(sample.rss_bytes for sample in samples) / MIB
    fullest = one.watched.highest("csx_ingest_buffer_fullest_lane")
    return [
        Finding("RSS after two minutes", "slope < 1 MiB/min", f"{growth:+.2f} MiB/min", growth < 1),
        Finding("RSS, highest", "< 150 MiB", f"{highest:.1f} MiB", highest < 150),
        Finding("fullest lane of the buffer", "<= 500 events", f"{fullest:.0f}", fullest <= 500),
    ]


def _recovery(one: Played, cuts: float) -> list[Finding]:
    watched = one.watched
    at_once = float(one.status.get("exchanges", {}).get(one.session.venue, {}).get("rest_peak", float("nan")))
    cut = watched.last("csx_ingest_disconnects_total")
    rows = [
        Finding("connections cut", f">= {cuts * 0.8:.0f}", f"{cut:.0f}", cut >= cuts * 0.8),
        Finding("REST calls at once, seen by the exchange", "<= 2", f"{at_once:.0f}", at_once <= 2),
    ]
    for what, metric, limit in (
        ("lost connection to first data", "csx_ingest_first_data_seconds", "5.0"),
        ("hole noticed to trades in hand", "csx_ingest_recovery_seconds", "2.0"),
    ):
        count = watched.last(f"{metric}_count")
        within = watched.last(f"{metric}_bucket{{le={limit}}}")
        mean = watched.last(f"{metric}_sum") / count if count else float("nan")
        said = f"{within:.0f} of {count:.0f}, mean {mean:.2f} s"
        rows.append(Finding(what, f"all < {float(limit):g} s", said, bool(count) and within == count))
    return rows


def _result(one: Played) -> list[Finding]:
    outcome, session = one.outcome, one.session
    truth = {str(number) for number in session.trade_ids}
    missing, foreign = truth - set(outcome.trade_ids), set(outcome.trade_ids) - truth
    opened = {stream: outcome.opened(stream) for stream in ("trades", "books")}
    still_open = outcome.open_gaps(one.finished_ns)
    lost = sum(outcome.closed(stream, recovered=False) for stream in opened)
    truth_book = tuple(
        [(float(price), float(size)) for price, size in one.book[side][:_BOOK_LEVELS]] for side in ("bids", "asks")
    )
    same = outcome.book.best(_BOOK_LEVELS) == truth_book
    return [
        Finding("trades missing at the end", "0", f"{len(missing)} of {len(truth):,}", not missing and not foreign),
        Finding("trades out of order", "0", f"{outcome.out_of_order}", outcome.out_of_order == 0),
        Finding("records of a trade that was there already", "told", f"{outcome.duplicates}", held=True),
        Finding(
            "gaps until the exchange fell silent, each closed with everything recovered",
            "none left open, nothing lost",
            f"{opened['trades']} in trades, {opened['books']} in books; {len(still_open)} open, {lost} lost",
            not still_open and not lost,
        ),
        Finding(
            "book on the topic",
            "never crossed, always continued, at the end the exchange's",
            f"{outcome.book.snapshots} snapshots, {outcome.book.deltas} deltas, "
            f"{outcome.book.repeated} repeated, {outcome.book.unfit} unfit, "
            f"{outcome.book.crossed} crossed, {'equal' if same else 'different'}",
            same and not outcome.book.crossed and not outcome.book.unfit,
        ),
        _sums(one.watched),
    ]


def _sums(watched: Watched) -> Finding:
    seen = watched.samples[-1].metrics
    names = ("offered", "conflation_snapshots", "published", "conflated", "spilled", "replayed", "shed", "too_large")
    told = ", ".join(f"{name} {seen.get(f'csx_ingest_{name}_total', 0.0):,.0f}" for name in names)
    worst = watched.highest("csx_ingest_unaccounted_events")
    return Finding("events that no counter accounts for", "0 at any moment", f"{worst:.0f} ({told})", worst == 0)
