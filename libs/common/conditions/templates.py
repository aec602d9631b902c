"""The predecessors' rules, ready to be taken over: a name in; kind, condition and times out. Pure data.

Thresholds are theirs (`ws_alert`, the sniper's and the monitor's defaults), units are ours: fractions, US dollars,
event time. `storm`, `cluster` and `radar_alarm` are computed by the group of the coin, in `windows/groups.py`.
"""

from typing import Final

from msgspec import Struct

from libs.common.conditions.subjects import Kind
from libs.common.events import Severity


class Template(Struct, frozen=True, kw_only=True):
    """A rule without a recipient."""

    name: str
    kind: Kind
    condition: str
    until: str = ""
    """What ends it; empty: the condition does not hold."""
    for_s: int = 0
    cooldown_s: int
    severity: Severity
    meaning: str


def _grouped(
    name: str, kind: Kind, rows: tuple[tuple[str, str, str, int], ...], severity: Severity, meaning: str
) -> tuple[Template, ...]:
    """Return one template for each group of coins: rows are (group, condition, until, cooldown)."""
    return tuple(
        Template(
            name=f"{name}_{group}",
            kind=kind,
            condition=f'cap_group == "{group}" and {condition}',
            until=until,
            cooldown_s=cooldown_s,
            severity=severity,
            meaning=meaning,
        )
        for group, condition, until, cooldown_s in rows
    )


_ROWS: Final = (
    Template(
        name="strong_signal",
        kind=Kind.SIGNAL,
        condition='abs_score >= 0.6 and label in ["strong_buy", "strong_sell"]',
        cooldown_s=900,
        severity=Severity.WARNING,
        meaning="a signal with a strong label",
    ),
    Template(
        name="stopped_out",
        kind=Kind.OUTCOME,
        condition='barrier == "stop"',
        cooldown_s=0,
        severity=Severity.INFO,
        meaning="a signal met its stop",
    ),
    *_grouped(
        "storm",
        Kind.LIQUIDATION,
        (
            ("majors", "storm", "liq_usd_30s < 1000000", 300),
            ("large", "storm", "liq_usd_30s < 500000", 450),
            ("mid", "storm", "liq_usd_30s < 250000", 600),
        ),
        Severity.WARNING,
        "liquidations of one side within 30 s: 2 M, 1 M, 0.5 M USD",
    ),
    *_grouped(
        "cluster",
        Kind.LIQUIDATION,
        (
            ("majors", "cluster", "prints_dominance_30s < 0.6 or prints_usd_30s < 1500000", 600),
            ("large", "cluster", "prints_dominance_30s < 0.55 or prints_usd_30s < 750000", 900),
            ("mid", "cluster", "prints_dominance_30s < 0.55 or prints_usd_30s < 250000", 1_200),
        ),
        Severity.WARNING,
        "large trades within 30 s that lean to one side: 3 M, 1.5 M, 0.5 M USD by 70, 65, 60 %",
    ),
    *_grouped(
        "radar",
        Kind.LIQUIDATION,
        (
            ("majors", "radar_alarm", "radar < 0.35", 300),
            ("large", "radar_alarm", "radar < 0.3", 300),
            ("mid", "radar_alarm", "radar < 0.25", 300),
        ),
        Severity.CRITICAL,
        "storm and cluster in one number: 0.7, 0.6, 0.5, or 0.4 for one of them alone",
    ),
    Template(
        name="cascade",
        kind=Kind.LIQUIDATION,
        condition="liq_usd_10m >= 50000000",
        until="liq_usd_10m < 25000000",
        cooldown_s=600,
        severity=Severity.CRITICAL,
        meaning="50 M USD liquidated within 10 min",
    ),
    *_grouped(
        "single_liquidation",
        Kind.LIQUIDATION,
        (
            ("majors", "liq_single_usd >= 500000", "liq_count_30s == 0 or liq_single_usd < 500000", 300),
            ("large", "liq_single_usd >= 200000", "liq_count_30s == 0 or liq_single_usd < 200000", 450),
            ("mid", "liq_single_usd >= 100000", "liq_count_30s == 0 or liq_single_usd < 100000", 600),
        ),
        Severity.INFO,
        "one large liquidation",
    ),
    Template(
        name="liquidation_wave",
        kind=Kind.LIQUIDATION,
        condition="liq_count_30s >= 8 and liq_dominance_30s >= 0.8",
        until="liq_count_30s < 3",
        cooldown_s=1_800,
        severity=Severity.INFO,
        meaning="eight liquidations within 30 s, nearly all of one side: small markets and simulated ones have it too",
    ),
    *_grouped(
        "whale",
        Kind.WHALE,
        (
            ("majors", "print_usd >= 1000000", "", 300),
            ("large", "print_usd >= 500000", "", 450),
            ("mid", "print_usd >= 200000", "", 600),
        ),
        Severity.INFO,
        "one large trade",
    ),
    Template(
        name="funding_extreme",
        kind=Kind.FUNDING,
        condition="abs(funding_bps_8h) >= 10 and (funding_rank >= 0.95 or funding_rank <= 0.05)",
        until="abs(funding_bps_8h) < 5",
        for_s=300,
        cooldown_s=3_600,
        severity=Severity.WARNING,
        meaning="funding of 10 basis points in 8 h, and extreme for its last 7 days",
    ),
    Template(
        name="oi_surge",
        kind=Kind.OPEN_INTEREST,
        condition="abs(oi_change_1h) >= 0.05 and oi_rank >= 0.95",
        until="abs(oi_change_1h) < 0.02",
        for_s=300,
        cooldown_s=3_600,
        severity=Severity.WARNING,
        meaning="open interest moved by 5 % in an hour, and is high for its last 7 days",
    ),
    Template(
        name="price_spike",
        kind=Kind.SPIKE,
        condition="abs(price_change_5m) >= 0.03",
        until="abs(price_change_5m) < 0.015",
        cooldown_s=3_600,
        severity=Severity.WARNING,
        meaning="price moved by 3 % within 5 min",
    ),
    Template(
        name="price_crash",
        kind=Kind.SPIKE,
        condition="abs(price_change_5m) >= 0.05",
        until="abs(price_change_5m) < 0.025",
        cooldown_s=3_600,
        severity=Severity.CRITICAL,
        meaning="price moved by 5 % within 5 min",
    ),
    Template(
        name="volume_spike",
        kind=Kind.SPIKE,
        condition="volume_ratio_5m >= 3",
        until="volume_ratio_5m < 1.5",
        cooldown_s=3_600,
        severity=Severity.INFO,
        meaning="three times the usual volume",
    ),
    Template(
        name="data_gap",
        kind=Kind.GAP,
        condition="gap_open and gap_s >= 60",
        until="gap_recovered or not gap_open",
        cooldown_s=900,
        severity=Severity.INFO,
        meaning="a minute of a market's data is missing",
    ),
    Template(
        name="feed_down",
        kind=Kind.FEED,
        condition='grade == "f" and not feed_stopped',
        for_s=30,
        cooldown_s=600,
        severity=Severity.CRITICAL,
        meaning="nothing comes from a venue",
    ),
    Template(
        name="feed_poor",
        kind=Kind.FEED,
        condition='grade in ["d", "f"] and not feed_stopped',
        until='grade in ["a", "b"]',
        for_s=300,
        cooldown_s=1_800,
        severity=Severity.WARNING,
        meaning="much of a venue's data is missing",
    ),
    Template(
        name="extreme_mood",
        kind=Kind.METRIC,
        condition="fear_greed <= 20 or fear_greed >= 80",
        until="fear_greed > 25 and fear_greed < 75",
        cooldown_s=86_400,
        severity=Severity.INFO,
        meaning="extreme fear or greed",
    ),
    Template(
        name="memory",
        kind=Kind.SYSTEM,
        condition="memory_share > 0.85",
        until="memory_share < 0.75",
        for_s=60,
        cooldown_s=300,
        severity=Severity.WARNING,
        meaning="a process of ours uses 85 % of its memory",
    ),
    Template(
        name="lag",
        kind=Kind.SYSTEM,
        condition="lag > 10000",
        until="lag < 1000",
        for_s=60,
        cooldown_s=600,
        severity=Severity.WARNING,
        meaning="a process of ours is 10,000 records behind",
    ),
    Template(
        name="errors",
        kind=Kind.SYSTEM,
        condition="error_rate > 0.05",
        until="error_rate < 0.01",
        for_s=60,
        cooldown_s=600,
        severity=Severity.WARNING,
        meaning="5 % of what a process of ours handles fails",
    ),
    Template(
        name="process_down",
        kind=Kind.SYSTEM,
        condition="not up",
        for_s=60,
        cooldown_s=600,
        severity=Severity.CRITICAL,
        meaning="a process of ours does not answer",
    ),
)
TEMPLATES: Final = {one.name: one for one in _ROWS}
