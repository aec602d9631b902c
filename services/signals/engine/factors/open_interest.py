"""Change of open interest and of price over 24 hours in, whether new positions carry the move out."""

from libs.common.events import DAY_NS, HOUR_NS, Fact
from services.signals.engine.factors.factor import Finding, absent, climb, freshness
from services.signals.engine.factors.heard import Heard
from services.signals.engine.parameters.factors import FactorsParameters


def judge(heard: Heard, as_of_ns: int, told: FactorsParameters) -> Finding:
    """Score direction of price times change of open interest.

    More positions in a falling market are bearish; fewer in a falling one say that it ends: bullish; mirrored above.
    """
    found = _venue(heard, as_of_ns, told) or _vendor(heard, as_of_ns, told)
    if found is None:
        missing = heard.told.get("open_interest")
        newest = max(((one.at(as_of_ns) or (-1, 0.0))[0] for one in heard.recent.values()), default=-1)
        if newest >= 0:
            fresh = freshness(newest, as_of_ns, told.interest_stale_ns) > 0
            return absent("warming_up" if fresh else "stale")
        return absent(missing.why(as_of_ns) if missing else "not_heard")
    change, sureness, source = found
    price = heard.price_change(as_of_ns)
    said: dict[str, Fact] = {
        "open_interest_change_24h": change,
        "price_change_24h": price,
        "open_interest_source": source,
    }
    if price is None:
        return absent("price_warming_up", said)
    way = 0.0 if abs(price) <= told.price_flat else (1.0 if price > 0 else -1.0)
    return Finding(way * climb(change, told.interest_rungs), sureness, said)


def _venue(heard: Heard, as_of_ns: int, told: FactorsParameters) -> tuple[float, float, str] | None:
    for measure in ("base", "contracts", "notional"):
        recent, kept = heard.recent.get(measure), heard.contracts.get(measure)
        if recent is None or kept is None:
            continue
        now, then = recent.at(as_of_ns), kept.at(as_of_ns - DAY_NS)
        if now is None or then is None or as_of_ns - DAY_NS - then[0] > HOUR_NS:
            continue
        sureness = freshness(now[0], as_of_ns, told.interest_stale_ns)
        if sureness > 0:
            return now[1] / then[1] - 1.0, sureness, f"venue|{measure}"
    return None


def _vendor(heard: Heard, as_of_ns: int, told: FactorsParameters) -> tuple[float, float, str] | None:
    """In money, so that the price moves it too: the change is taken as if the price had stood."""
    vendor, price = heard.told.get("open_interest"), heard.price_change(as_of_ns)
    newest = vendor.newest(as_of_ns) if vendor else None
    if vendor is None or newest is None or price is None:
        return None
    then = vendor.sources[newest[2]].at(newest[0] - DAY_NS)
    if then is None or newest[0] - DAY_NS - then[0] > HOUR_NS or then[1] <= 0:
        return None
    sureness = freshness(newest[0], as_of_ns, told.vendor_interest_stale_ns)
    return (newest[1] / then[1] / (1.0 + price) - 1.0, sureness, newest[2]) if sureness > 0 else None
