"""Views of what was said and what became of it: proofs, verdicts, outcomes, the record. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from math import sqrt
from typing import Any, Final

from msgspec import Struct

from libs.common.events import Barrier, Decision, Origin, Signal, Timeframe
from services.gateway.schemas.signals import SignalSummary
from services.gateway.schemas.times import age_s, rfc3339
from services.gateway.schemas.told import OutcomeView, VerdictView

Z_95: Final = 1.959963984540054
"""Two-sided 95 % of the normal distribution."""

NONE_PUBLISHED: Final = "none_published"
"""No service has published an outcome yet: whether signals come true is not known here."""
NONE_FITS: Final = "none_fits"


class LatestSignals(Struct, frozen=True, kw_only=True):
    """The newest signal of each market and timeframe, by symbol, venue and timeframe."""

    data: list[SignalSummary]
    has_more: bool
    next_cursor: str | None


class Proof(Struct, frozen=True, kw_only=True):
    """What a replay of one signal is held against."""

    signal_id: str
    venue: str
    symbol: str
    timeframe: Timeframe
    origin: Origin
    source: str = "signals"
    as_of_ns: int
    as_of: str
    known_at_ns: int
    known_at: str
    seen_ns: int
    age_s: float
    topic: str
    partition: int | None
    """Where it lies on the topic; absent with `place_cause`."""
    offset: int | None
    place_cause: str | None
    """`verdict_first`: its verdict came first, and the signal itself has not been read yet."""
    content_hash: str | None
    """SHA-256 of the signal's JSON, hexadecimal; the same bytes as `csx signals verify` makes."""
    engine: str | None
    """Version of the engine that made it."""
    inputs: dict[str, str]
    """What reproduces it."""
    verify: str
    """The command that makes it again from the log and compares."""


class Verdicts(Struct, frozen=True, kw_only=True):
    """What the judge said, newest first."""

    data: list[VerdictView]
    has_more: bool
    next_cursor: str | None


class Outcomes(Struct, frozen=True, kw_only=True):
    """What became of signals, newest first."""

    data: list[OutcomeView]
    cause: str | None
    """`none_published`: nobody has resolved a signal yet; `none_fits`: none of this kind."""
    has_more: bool
    next_cursor: str | None


class Tally(Struct, frozen=True, kw_only=True):
    """How signals of one kind did, after costs."""

    signals: int
    neutral: int
    """Of them: without a direction, nothing that could come true."""
    published: int
    """By the judge."""
    withheld: int
    outcomes: int
    targets: int
    stops: int
    expiries: int
    unresolved: int
    n: int
    """Outcomes with a result: those that the following rest on."""
    wins: int
    """Of them: with a profit."""
    hit_rate: float | None
    """wins / n; absent without any."""
    hit_rate_low: float | None
    """Of the 95 % band around it, after Wilson."""
    hit_rate_high: float | None
    mean_r: float | None
    """Mean profit in units of the risk, after fees."""
    mean_mfe: float | None
    """Mean of the maximum favourable excursion, in units of the risk."""
    mean_mae: float | None


class RecordView(Struct, frozen=True, kw_only=True):
    """How signals did, in all and by timeframe; what is not known is absent, with its cause."""

    from_ns: int | None
    to_ns: int | None
    symbol: str | None
    venue: str | None
    origin: Origin | None
    """Absent: all origins together; ask for one to keep simulated and live apart."""
    cause: str | None
    """Why there is no result: `none_published`, `none_fits`."""
    total: Tally
    by_timeframe: dict[Timeframe, Tally]
    as_of_ns: int
    as_of: str


def wilson(wins: int, n: int) -> tuple[float, float]:
    """Return the 95 % band of a share, after Wilson (1927); n > 0."""
    p, z2 = wins / n, Z_95 * Z_95
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 * sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def tally(outcomes: Iterable[Mapping[str, Any]], said: Iterable[Mapping[str, Any]]) -> Tally:
    """Return the sum of counted rows."""
    results, words = list(outcomes), list(said)

    def count(rows: Sequence[Mapping[str, Any]], name: str) -> int:
        return sum(int(row[name]) for row in rows)

    def mean(total: str, over: str) -> float | None:
        n = count(results, over)
        return sum(float(row[total] or 0.0) for row in results) / n if n else None

    n, wins = count(results, "n"), count(results, "wins")
    low, high = wilson(wins, n) if n else (None, None)
    return Tally(
        signals=count(words, "signals"),
        neutral=count(words, "neutral"),
        published=count(words, "published"),
        withheld=count(words, "withheld"),
        outcomes=count(results, "outcomes"),
        targets=count(results, "targets"),
        stops=count(results, "stops"),
        expiries=count(results, "expiries"),
        unresolved=count(results, "unresolved"),
        n=n,
        wins=wins,
        hit_rate=wins / n if n else None,
        hit_rate_low=low,
        hit_rate_high=high,
        mean_r=mean("r_sum", "n"),
        mean_mfe=mean("mfe_sum", "mfe_n"),
        mean_mae=mean("mae_sum", "mae_n"),
    )


def proof(signal: Signal, row: Any, topic: str, now_ns: int) -> Proof:
    """Return what a replay of a stored signal is held against."""
    placed = row["topic_offset"] is not None
    return Proof(
        signal_id=signal.signal_id,
        venue=signal.venue,
        symbol=signal.symbol,
        timeframe=signal.timeframe,
        origin=signal.origin,
        as_of_ns=signal.as_of_ns,
        as_of=rfc3339(signal.as_of_ns),
        known_at_ns=signal.known_at_ns,
        known_at=rfc3339(signal.known_at_ns),
        seen_ns=row["seen_ns"],
        age_s=age_s(row["seen_ns"], now_ns),
        topic=topic,
        partition=row["topic_partition"],
        offset=row["topic_offset"],
        place_cause=None if placed else "verdict_first",
        content_hash=row["content_hash"].hex() if row["content_hash"] else None,
        engine=signal.inputs.get("engine_version"),
        inputs=signal.inputs,
        verify=f"csx signals verify {signal.signal_id}",
    )


def verdict_of(row: Any) -> VerdictView:
    """Return the view of a stored row."""
    return VerdictView(
        signal_id=row["signal_id"],
        venue=row["venue"],
        symbol=row["symbol"],
        timeframe=Timeframe(row["timeframe"]),
        origin=Origin(row["origin"]),
        decision=Decision(row["decision"]),
        judge=row["judge"],
        rationale=row["rationale"],
        decided_ns=row["decided_ns"],
        decided=rfc3339(row["decided_ns"]),
        seen_ns=row["seen_ns"],
    )


def outcome_of(row: Any) -> OutcomeView:
    """Return the view of a stored row."""
    return OutcomeView(
        signal_id=row["signal_id"],
        venue=row["venue"],
        symbol=row["symbol"],
        timeframe=Timeframe(row["timeframe"]),
        origin=Origin(row["origin"]),
        barrier=Barrier(row["barrier"]),
        r_multiple=row["r_multiple"],
        mfe=row["mfe"],
        mae=row["mae"],
        resolved_ns=row["resolved_ns"],
        resolved=rfc3339(row["resolved_ns"]),
        seen_ns=row["seen_ns"],
    )
