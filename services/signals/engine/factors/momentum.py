"""What the technical indicators said at the last close of 15 minutes in, the same out."""

from services.signals.engine.factors.factor import Finding, absent, freshness
from services.signals.engine.factors.heard import Heard
from services.signals.engine.parameters.factors import FactorsParameters


def judge(heard: Heard, as_of_ns: int, told: FactorsParameters) -> Finding:
    """Return the score of the layer `technicals` of 15m, as sure as that layer was, while it is fresh."""
    last = heard.momentum
    if last is None or last.at_ns > as_of_ns:
        return absent("not_heard")
    if last.cause is not None:
        return absent(last.cause)
    sureness = last.confidence * freshness(last.at_ns, as_of_ns, told.momentum_stale_ns)
    if sureness <= 0:
        return absent("stale")
    return Finding(max(-1.0, min(1.0, last.score)), sureness)
