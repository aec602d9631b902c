"""The funding rate in, who pays for being in the market out: contrarian, a crowd that pays is late."""

from typing import Final

from libs.common.events import Fact
from services.signals.engine.factors.factor import Finding, absent, climb, freshness
from services.signals.engine.factors.heard import Heard
from services.signals.engine.parameters.factors import FactorsParameters

_EIGHT_HOURS_S: Final = 28_800


def judge(heard: Heard, as_of_ns: int, told: FactorsParameters) -> Finding:
    """Score the rate per eight hours, a fraction: 0.0001 is 0.01 %; this venue's, else all exchanges' of a vendor.

    Where nobody says the interval, the rate per interval is taken as it is, and `funding_interval_s` is None.
    """
    own = heard.rates.at(as_of_ns)
    if own is not None:
        sureness = freshness(own[0], as_of_ns, told.funding_stale_ns)
        if sureness > 0:
            interval = heard.intervals_s.at(as_of_ns)
            return _say(own[1], int(interval[1]) if interval else 0, sureness, "venue", told)
    vendor = heard.told.get("funding_rate_oi_weighted")
    newest = vendor.newest(as_of_ns) if vendor else None
    if newest is not None:
        sureness = freshness(newest[0], as_of_ns, told.funding_stale_ns)
        if sureness > 0:
            return _say(newest[1], 0, sureness, newest[2], told)
    if own is not None:
        return absent("stale")
    return absent(vendor.why(as_of_ns) if vendor else "not_heard")


def _say(rate: float, interval_s: int, sureness: float, source: str, told: FactorsParameters) -> Finding:
    normal = rate * _EIGHT_HOURS_S / interval_s if interval_s else None
    said: dict[str, Fact] = {
        "funding_rate_per_interval": rate,
        "funding_interval_s": interval_s or None,
        "funding_rate_8h": normal,
        "funding_source": source,
    }
    return Finding(-climb(rate if normal is None else normal, told.funding_rungs), sureness, said)
