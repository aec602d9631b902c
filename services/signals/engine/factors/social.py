"""A vendor's social score in, the same around its middle out: with the crowd's attention."""

from services.signals.engine.factors.factor import Finding, absent, freshness
from services.signals.engine.factors.heard import Heard
from services.signals.engine.parameters.factors import FactorsParameters


def judge(heard: Heard, as_of_ns: int, told: FactorsParameters) -> Finding:
    """Return (galaxy score - 50) / 50, or where that is missing 2 x (share of positive posts) - 1."""
    cause = "not_heard"
    for name, middle, fact in (
        ("galaxy_score", 50.0, "social_galaxy_score"),
        ("social_sentiment", 0.5, "social_sentiment"),
    ):
        vendor = heard.told.get(name)
        if vendor is None:
            continue
        newest = vendor.newest(as_of_ns)
        if newest is not None:
            sureness = freshness(newest[0], as_of_ns, told.social_stale_ns)
            if sureness > 0:
                score = max(-1.0, min(1.0, (newest[1] - middle) / middle))
                return Finding(score, sureness, {fact: newest[1], "social_source": newest[2]})
        if cause == "not_heard":
            cause = vendor.why(as_of_ns)
    return absent(cause)
