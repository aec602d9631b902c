"""What was measured of a feed in, its grade and the causes in words out: one table, and the worst row decides. Pure."""

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

import msgspec
from msgspec import Struct

from libs.common.events import SECOND_NS, FeedQuality, Grade, StreamQuality
from services.ingest.quality.measure import PROMPT, Hole

NEVER: Final = float("inf")
_NAMED: Final = 5
"""Symbols that a cause names."""

HoleOf: TypeAlias = Callable[[str], Hole | None]
"""A stream's oldest open hole."""


class Limits(Struct, frozen=True):
    """The most that a grade allows, each; beyond the last is F."""

    a: float
    b: float
    c: float
    d: float

    def grade(self, value: float) -> Grade:
        """Return the best grade that allows `value`."""
        value = round(value, 9)  # 1 - 0.999 is a little more than 0.001 to a float
        allowed = (grade for grade, most in zip(Grade, msgspec.structs.astuple(self), strict=False) if value <= most)
        return next(allowed, Grade.F)


THRESHOLDS: Final = {
    "missing": Limits(0.001, 0.01, 0.05, 0.5),
    "quiet": Limits(60, 120, 300, 900),
    "silent": Limits(0, 0.1, 0.3, 1),
    "closed": Limits(0, 0, 0.99, 0.99),
    "clock": Limits(0.5, 1, 5, NEVER),
    "bars": Limits(0, 0.005, 0.02, 0.1),
    "paused": Limits(0, 60, 300, NEVER),
    "spent": Limits(0.9, NEVER, NEVER, NEVER),
    "slowed": Limits(0, NEVER, NEVER, NEVER),
}
"""docs/semantics.md shows this table and says what each row measures."""


class _Finding(Struct, frozen=True):
    row: str
    value: float
    cause: str


def graded(measured: FeedQuality, hole_of: HoleOf) -> FeedQuality:
    """Return `measured` with its grade and causes; those that it has are replaced."""
    found = [(THRESHOLDS[one.row].grade(one.value), one.cause) for one in _findings(measured, hole_of)]
    bad = sorted((one for one in found if one[0] is not Grade.A), key=lambda one: one[0], reverse=True)
    return msgspec.structs.replace(
        measured, grade=bad[0][0] if bad else Grade.A, causes=tuple(cause for _, cause in bad)
    )


def _findings(q: FeedQuality, hole_of: HoleOf) -> Iterator[_Finding]:
    if not q.symbols:
        yield _Finding("closed", 1.0, "no symbol is followed: CSX_INGEST_SYMBOLS names none that this venue trades")
        return
    closed = q.connections_wanted - q.connections
    yield _Finding(
        "closed",
        closed / q.connections_wanted if q.connections_wanted else 1.0,
        f"{closed} of {q.connections_wanted} connections are down: they are dialled again for ever, the log says why",
    )
    for stream in q.streams:
        yield from _of_stream(q, stream, hole_of)
    yield from _of_rest(q)
    if q.clock_offset_s is not None:
        ahead = "ahead of" if q.clock_offset_s > 0 else "behind"
        yield _Finding(
            "clock",
            max(abs(q.clock_offset_s) - (q.clock_bound_s or 0), 0),
            f"the venue's clock is {abs(q.clock_offset_s):.3f} s {ahead} ours (give or take {q.clock_bound_s or 0:.3f}"
            " s): check this machine's time synchronisation",
        )
    if q.bars_audited:
        yield _Finding(
            "bars",
            q.bars_different / q.bars_audited,
            f"{q.bars_different} of {q.bars_audited} closed candles differ from the venue's",
        )


def _of_stream(q: FeedQuality, one: StreamQuality, hole_of: HoleOf) -> Iterator[_Finding]:
    if one.coverage is not None:
        hole = hole_of(one.stream)
        still = "" if hole is None else f", {one.open_gaps} open, the oldest: {_hole(hole, q.event_ns)}"
        yield _Finding(
            "missing",
            1 - one.coverage,
            f"{one.stream}: {one.coverage:.2%} covered, {one.missing_s:.0f} s missing in holes{still}",
        )
    yield _Finding(
        "silent",
        len(one.silent) / q.symbols,
        f"{one.stream}: {len(one.silent)} of {q.symbols} symbols are silent beyond their own pace: {_some(one.silent)}",
    )
    if one.stream in PROMPT:
        quiet_s = q.window_s if one.staleness_s is None else one.staleness_s
        said = "nothing yet" if one.staleness_s is None else "nothing came"
        yield _Finding("quiet", quiet_s, f"{one.stream}: {said} for {quiet_s:.0f} s, of no symbol")


def _of_rest(q: FeedQuality) -> Iterator[_Finding]:
    yield _Finding(
        "paused",
        q.rest_paused_s,
        f"the venue forbids calls for {q.rest_paused_s:.0f} s more: holes stay open until then",
    )
    yield _Finding(
        "spent",
        q.rest_budget_used,
        f"{q.rest_budget_used:.0%} of the REST budget is spent, {q.rest_waiting} calls wait: recovery is slow;"
        " CSX_INGEST_REST_WEIGHT_PER_MINUTE is the budget",
    )
    yield _Finding(
        "slowed",
        1 - q.rest_pace,
        f"others spend the venue's REST limit from this address (it counts {q.rest_venue_weight or 0:.0f}): our calls"
        f" go at {q.rest_pace:.0%} of their pace",
    )


def _hole(hole: Hole, now_ns: int) -> str:
    return f"{hole.symbol} for {(now_ns - hole.from_ns) / SECOND_NS:.0f} s ({hole.cause})"


def _some(symbols: tuple[str, ...]) -> str:
    more = len(symbols) - _NAMED
    return ", ".join(symbols[:_NAMED]) + (f" and {more} more" if more > 0 else "")
