"""A fact's name in; what a card calls it, out. Pure data."""

from typing import Final

_LABELS: Final = {
    "liq_usd_30s": "Liquidated in 30 s",
    "liq_long_usd_30s": "Of longs, in 30 s",
    "liq_short_usd_30s": "Of shorts, in 30 s",
    "liq_usd_10m": "Liquidated in 10 min",
    "liq_single_usd": "Largest liquidation in 30 s",
    "liq_count_30s": "Liquidations in 30 s",
    "liq_dominance_30s": "Stronger side's share",
    "prints_usd_30s": "Large trades in 30 s",
    "prints_buy_usd_30s": "Of takers that bought, in 30 s",
    "prints_sell_usd_30s": "Of takers that sold, in 30 s",
    "prints_count_30s": "Number of large trades in 30 s",
    "prints_dominance_30s": "Stronger takers' share",
    "print_usd": "One trade",
    "print_side": "The taker's side",
    "whale_usd_10m": "Whales' positions opened and closed in 10 min",
    "funding_rate": "Funding for one interval",
    "funding_bps_8h": "Funding for 8 h",
    "funding_rank": "Its place among the last 7 days (1 is the highest)",
    "oi_change_1h": "Open interest within an hour",
    "oi_rank": "Its place among the last 7 days (1 is the highest)",
    "price_change_5m": "Price within 5 min",
    "volume_ratio_5m": "Volume of 5 min to its usual",
    "gap_s": "Missing so far",
    "gap_stream": "What is missing",
    "gap_cause": "Cause",
    "gap_open": "It goes on",
    "gap_recovered": "It was filled",
    "coverage_min": "Least coverage of a stream",
    "staleness_max_s": "Nothing heard for",
    "open_gaps": "Holes that are open",
    "connections_missing": "Connections missing",
    "clock_offset_s": "The venue's clock minus ours",
    "feed_stopped": "Its process ended in order",
    "r_multiple": "Result after fees",
    "mfe": "At best",
    "mae": "At worst",
    "memory_share": "Memory in use",
    "lag": "Records not read yet",
    "error_rate": "Failed",
    "queue_age_s": "The oldest alert waits for",
    "up": "It answers",
}


def label_of(name: str) -> str:
    """Return the words; of a name without any its own, `fear_greed` as `Fear greed`."""
    return _LABELS.get(name) or name.replace("_", " ").capitalize()
