"""The index of fear and greed in, its extremes out: contrarian."""

from services.signals.engine.factors.factor import Finding, absent, climb, freshness
from services.signals.engine.factors.heard import Heard
from services.signals.engine.parameters.factors import FactorsParameters


def judge(heard: Heard, as_of_ns: int, told: FactorsParameters) -> Finding:
    """Score points minus 50, against them: extreme greed is bearish, extreme fear bullish, between is nothing."""
    vendor = heard.told.get("fear_greed")
    newest = vendor.newest(as_of_ns) if vendor else None
    if vendor is None or newest is None:
        return absent(vendor.why(as_of_ns) if vendor else "not_heard")
    sureness = freshness(newest[0], as_of_ns, told.mood_stale_ns)
    if sureness <= 0:
        return absent(vendor.why(as_of_ns))
    score = -climb(newest[1] - 50.0, told.mood_rungs)
    return Finding(score, sureness, {"fear_greed_points": newest[1], "fear_greed_source": newest[2]})
