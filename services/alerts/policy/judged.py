"""A verdict in; what a condition may ask about its signal, out. What was not computed is left out. Pure."""

from libs.common.conditions.subjects import Fact, Kind, Subject
from libs.common.events import Contribution, Plan, Signal, Verdict


def subject_of(verdict: Verdict) -> Subject:
    """Return the subject of a judged signal; one a signal, so its id is the key."""
    signal = verdict.signal
    return Subject(
        kind=Kind.SIGNAL,
        venue=signal.venue,
        symbol=signal.symbol,
        at_ns=signal.as_of_ns,
        facts=_facts(verdict),
        key=signal.signal_id,
        origin=verdict.origin,
        verdict=verdict,
    )


def strongest(contributions: tuple[Contribution, ...]) -> list[Contribution]:
    """Return the pieces of evidence, the one that counts most first."""
    return sorted(contributions, key=lambda one: (-abs(one.contribution), one.layer))


def about(rule_id: str, signal: Signal) -> tuple[str, ...]:
    """Return what who hears of `signal` by a rule may have muted; of its layers the one that counts most."""
    layers = [f"layer:{one.layer}" for one in strongest(signal.contributions)[:1]]
    return (f"symbol:{signal.symbol}", *layers, f"rule:{rule_id}", f"signal:{signal.signal_id}")


def _facts(verdict: Verdict) -> dict[str, Fact]:
    signal = verdict.signal
    facts: dict[str, Fact | None] = {
        "symbol": signal.symbol,
        "venue": signal.venue,
        "timeframe": signal.timeframe.value,
        "label": signal.label.value,
        "direction": signal.direction.value,
        "score": signal.score,
        "abs_score": abs(signal.score),
        "confidence": signal.confidence,
        "probability": signal.probability,
        "probability_status": signal.probability_status,
        "model": signal.model,
        "regime": signal.regime,
        "conflict": signal.conflict,
        "effective_layers": signal.effective_layers,
        **{f"layer_{one.layer}": one.score for one in signal.contributions},
        **_plan(signal.plan),
    }
    return {name: value for name, value in facts.items() if value is not None}


def _plan(plan: Plan | None) -> dict[str, Fact | None]:
    if plan is None:
        return {}
    middle = (plan.entry_low + plan.entry_high) / 2
    return {
        "break_even": plan.break_even_hit_rate,
        "reward_to_risk": plan.targets[0].reward_to_risk if plan.targets else None,
        "stop_distance_atr": abs(middle - plan.stop) / plan.atr if plan.atr > 0 else None,
    }
