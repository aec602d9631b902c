"""The verdict on a signal: today by rules. A judge may withhold, never invent."""

from msgspec import Struct

from libs.common.events import Decision, Direction, Plan, Signal, Verdict


class Rules(Struct, frozen=True):
    """What a signal must have to be published."""

    min_score: float = 0.25
    """Least absolute score, in [0, 1]."""
    min_confidence: float = 0.3
    min_reward_to_risk: float = 0.5
    """Of the farthest target, after fees."""


def judge(signal: Signal, rules: Rules, decided_ns: int) -> Verdict:
    """Return the verdict of the rules, with the first reason that decides."""
    refusal = _refusal(signal, rules)
    return Verdict(
        venue=signal.venue,
        symbol=signal.symbol,
        origin=signal.origin,
        signal=signal,
        decision=Decision.WITHHOLD if refusal else Decision.PUBLISH,
        rationale=refusal or _reason(signal),
        judge="rules",
        decided_ns=decided_ns,
    )


def _refusal(signal: Signal, rules: Rules) -> str | None:
    if signal.abstained:
        return f"the engine abstained: {signal.abstained}"
    if signal.direction is Direction.NEUTRAL:
        return "neutral: nothing to act on"
    if signal.plan is None:
        return "no plan: without a stop the risk is unknown"
    if abs(signal.score) < rules.min_score:
        return f"score {signal.score:+.2f} is weaker than {rules.min_score:.2f}"
    if signal.confidence < rules.min_confidence:
        return f"confidence {signal.confidence:.2f} is below {rules.min_confidence:.2f}"
    return _underpaid(signal.plan, rules)


def _underpaid(plan: Plan, rules: Rules) -> str | None:
    best = max((target.reward_to_risk for target in plan.targets), default=0.0)
    if best >= rules.min_reward_to_risk:
        return None
    return f"the best target pays {best:.2f} times the risk after fees, less than {rules.min_reward_to_risk:.2f}"


def _reason(signal: Signal) -> str:
    strongest = max(signal.contributions, key=lambda share: abs(share.contribution))
    agreeing = sum(share.score * signal.score > 0 for share in signal.contributions)
    return (
        f"{agreeing} of {len(signal.contributions)} layers agree on {signal.direction};"
        f" the strongest share, {strongest.layer}'s, is {strongest.contribution:+.2f} in a score of {signal.score:+.2f}"
    )
