"""Ratios and shares of longs under several names in, one share in [0, 1] out."""

from services.signals.engine.factors.factor import freshness
from services.signals.engine.factors.heard import Heard


def long_share(heard: Heard, ratio: str, share: str, as_of_ns: int, stale_ns: int) -> tuple[float, float, str] | str:
    """Return (share of longs, freshness, source) from metric `share`, else from `ratio` = long / short; or a cause."""
    cause = "not_heard"
    for name in (share, ratio):
        told = heard.told.get(name)
        if told is None:
            continue
        newest = told.newest(as_of_ns)
        if newest is not None:
            at_ns, value, source = newest
            sureness = freshness(at_ns, as_of_ns, stale_ns)
            if sureness > 0 and value >= 0 and (name == ratio or value <= 1):
                return (value / (1.0 + value) if name == ratio else value), sureness, source
        if cause == "not_heard":
            cause = told.why(as_of_ns)
    return cause
