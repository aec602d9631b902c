"""A signal's parts in; the lines of its message, out. Pure.

Every piece of foreign text is escaped and bounded by `markup.data`; every number has at most some thirty characters.
"""

from typing import Final

from libs.common.events import SECOND_NS, Absence, Contribution, Origin, Plan, Signal, Verdict
from services.alerts.policy import numbers
from services.alerts.policy.judged import strongest
from services.alerts.policy.markup import Piece, data, join

NAME_UNITS: Final = 48
_CAUSE_UNITS: Final = 80
_SENTENCE_UNITS: Final = 240
_QUALITY_UNITS: Final = 120
_TARGETS: Final = 3
_EVIDENCE: Final = 3
_ABSENT: Final = 6

_SCORECARD: Final = "scorecard"
_UNPROVEN: Final = "unproven"


def market(signal: Signal) -> Piece:
    """Return where it trades, on which bars, and what all layers said together."""
    return join(
        data(signal.venue, NAME_UNITS),
        f", {signal.timeframe} bars, at {numbers.price(signal.price)}; score {numbers.signed(signal.score)},"
        f" confidence {numbers.signed(signal.confidence).lstrip('+')}",
    )


def probability(signal: Signal) -> Piece:
    """Return the probability and what it is worth: its band and the outcomes behind it, once they have proven it.

    Unproven, it is what fixed weights imply, or an untested network.
    """
    status = data(signal.probability_status, NAME_UNITS)
    if signal.probability is None:
        return join("Probability: ", status, ", and none was computed")
    percent = f"Probability {numbers.whole_share(signal.probability)}, "
    if signal.model == _SCORECARD:
        why = ": fixed weights, no outcomes yet" if signal.probability_status == _UNPROVEN else " by the scorecard"
        return join(percent, status, why)
    if (known := signal.calibration) is not None and signal.probability_status != _UNPROVEN:
        band = f"[{known.low:.2f} to {known.high:.2f}], n={known.n:,}"
        right = f", right in {numbers.whole_share(known.observed)}"
        words = data(signal.probability_status.replace("_", " "), NAME_UNITS)
        said = f"Probability {signal.probability:.2f} {band}{right}; "
        return join(said, words, " by ", data(signal.model, NAME_UNITS))
    why = ": no outcomes have proven it" if signal.probability_status == _UNPROVEN else "; its band is not known here"
    return join(percent, status, " by ", data(signal.model, NAME_UNITS), why)


def levels(plan: Plan | None) -> list[Piece]:
    """Return where to get in and out, and how often that has to work."""
    if plan is None:
        return [join("No plan: no levels to trade were found")]
    targets = ", ".join(
        f"{numbers.price(one.price)} ({numbers.ratio(one.reward_to_risk)})" for one in plan.targets[:_TARGETS]
    )
    return [
        join(
            f"Entry {numbers.price(plan.entry_low)} to {numbers.price(plan.entry_high)},"
            f" stop {numbers.price(plan.stop)} (by ",
            data(plan.stop_basis, NAME_UNITS),
            ")",
        ),
        *([join(f"Targets {targets} after fees")] if targets else []),
        join(f"Breaks even at a hit rate of {numbers.share(plan.break_even_hit_rate)}"),
    ]


def evidence(contributions: tuple[Contribution, ...]) -> list[Piece]:
    """Return the strongest pieces, signed; they are shares of the score."""
    parts: list[Piece | str] = []
    for one in strongest(contributions)[:_EVIDENCE]:
        parts += [", " if parts else "Evidence: ", f"{numbers.signed(one.contribution)} ", data(one.layer, NAME_UNITS)]
    return [join(*parts)] if parts else []


def missing(absent: tuple[Absence, ...]) -> list[Piece]:
    """Return which layers did not speak, and why."""
    if not absent:
        return []
    parts: list[Piece | str] = ["Missing: "]
    for number, one in enumerate(absent[:_ABSENT]):
        parts += [", " if number else "", data(one.layer, NAME_UNITS), " (", data(one.cause, _CAUSE_UNITS), ")"]
    if len(absent) > _ABSENT:
        parts.append(f" and {len(absent) - _ABSENT} more")
    return [join(*parts)]


def invalidation(plan: Plan | None) -> list[Piece]:
    """Return what would prove it wrong before the stop does."""
    return [join("Wrong if: ", data(plan.invalidation, _SENTENCE_UNITS))] if plan else []


def known(verdict: Verdict, created_ns: int) -> Piece:
    """Return when it could be known, and how old it was when its message was written.

    The clock of a recording or a simulation may be far from ours, so there the age counts from the judge's decision.
    """
    signal = verdict.signal
    if verdict.origin is Origin.LIVE:
        age = _age(created_ns - signal.as_of_ns)
        return join(f"Known {numbers.clock(signal.known_at_ns, created_ns)}, {age} when told")
    age = _age(created_ns - verdict.decided_ns)
    return join(f"Known {numbers.utc(signal.known_at_ns)} on its market's clock, its verdict {age} when told")


def trust(quality: str | None, until: str) -> Piece:
    """Return how far the data may be trusted, as of when it was told, and until when it is worth telling."""
    grade = join("Data quality unknown") if quality is None else join("Data quality ", data(quality, _QUALITY_UNITS))
    return join(grade, f"; valid until {until}")


def _age(age_ns: int) -> str:
    """Return an age in words; a venue's clock may be a little ahead of ours."""
    return "of unknown age" if age_ns < -SECOND_NS else f"{numbers.duration(max(0, age_ns))} old"
