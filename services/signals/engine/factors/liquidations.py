"""Liquidations of 24 hours in, who was forced out out: contrarian, for who was liquidated sells no more."""

from libs.common.events import DAY_NS, Fact
from services.signals.engine.factors.factor import Finding, absent, climb, freshness
from services.signals.engine.factors.heard import Heard
from services.signals.engine.parameters.factors import FactorsParameters


def judge(heard: Heard, as_of_ns: int, told: FactorsParameters) -> Finding:
    """Score the share of liquidated longs: a vendor's sums over all exchanges, else what this venue told."""
    found = _vendor(heard, as_of_ns, told) or _venue(heard, as_of_ns, told)
    if found is not None:
        return found
    missing = heard.told.get("liquidations_long")
    return absent(missing.why(as_of_ns) if missing else "not_heard")


def _venue(heard: Heard, as_of_ns: int, told: FactorsParameters) -> Finding | None:
    if heard.first_liquidation_ns < 0:
        return None
    longs = shorts = 0.0
    orders = 0
    from_ns, last_ns = as_of_ns - DAY_NS, -1
    for slot in heard.slots:
        if slot.open_ns > from_ns:
            longs, shorts, orders, last_ns = longs + slot.long, shorts + slot.short, orders + slot.orders, slot.open_ns
    if not orders:
        return absent("stale")
    if orders < told.least_liquidations:
        return absent("too_few", {"liquidation_orders": orders})
    covered = min(1.0, max(0, as_of_ns - heard.first_liquidation_ns) / DAY_NS)
    sureness = covered * freshness(last_ns, as_of_ns, told.liquidations_stale_ns)
    if sureness <= 0:
        return absent("stale")
    return _say(longs, shorts, sureness, covered, "venue", told, {"liquidation_orders": orders})


def _vendor(heard: Heard, as_of_ns: int, told: FactorsParameters) -> Finding | None:
    lost, won = heard.told.get("liquidations_long"), heard.told.get("liquidations_short")
    if lost is None or won is None:
        return None
    newest = lost.newest(as_of_ns)
    other = won.sources.get(newest[2]) if newest else None
    interval_ns = lost.interval_ns.get(newest[2]) if newest else None
    if newest is None or other is None or not interval_ns:
        return None
    sureness = freshness(newest[0], as_of_ns, told.liquidations_stale_ns)
    before = other.within(as_of_ns - DAY_NS, as_of_ns)
    rows = {
        at_ns: value
        for at_ns, value in lost.sources[newest[2]].within(as_of_ns - DAY_NS, as_of_ns).items()
        if at_ns in before
    }
    longs, shorts = sum(rows.values()), sum(before[at_ns] for at_ns in rows)
    if sureness <= 0 or longs + shorts <= 0:
        return None
    covered = min(1.0, len(rows) * interval_ns / DAY_NS)
    return _say(longs, shorts, sureness * covered, covered, newest[2], told, {})


def _say(
    longs: float,
    shorts: float,
    sureness: float,
    covered: float,
    source: str,
    told: FactorsParameters,
    more: dict[str, Fact],
) -> Finding:
    share = longs / (longs + shorts)
    said: dict[str, Fact] = {
        "liquidated_long_24h_quote": longs,
        "liquidated_short_24h_quote": shorts,
        "liquidated_long_share": share,
        "liquidations_covered": covered,
        "liquidations_source": source,
        **more,
    }
    return Finding(climb(share - 0.5, told.liquidation_rungs), sureness, said)
