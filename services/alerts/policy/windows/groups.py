"""A coin's burst of liquidations and large trades in; storm, cluster and radar as the predecessors had them out.

The thresholds are those of their `ws_alert`: three groups of coins, windows of 30 s, US dollars. What they got wrong is
left out: cooldowns that began before anything was sent, and sides that were read two ways.
"""

from typing import Final

from msgspec import Struct

from services.alerts.policy.windows.rolling import MILLIONTHS, Sums


class Group(Struct, frozen=True, kw_only=True):
    """What is much for the coins of one group; dollars."""

    name: str
    storm_usd: int
    storm_count: int
    cluster_usd: int
    cluster_dominance: tuple[int, int]
    """A fraction: numerator and denominator, so that its edge is exact."""
    cluster_count: int
    convergence: float
    """What a storm and a cluster at once add to the radar."""
    alarm: float
    """The radar's threshold."""


MAJORS: Final = Group(
    name="majors",
    storm_usd=2_000_000,
    storm_count=3,
    cluster_usd=3_000_000,
    cluster_dominance=(70, 100),
    cluster_count=3,
    convergence=0.30,
    alarm=0.7,
)
LARGE: Final = Group(
    name="large",
    storm_usd=1_000_000,
    storm_count=2,
    cluster_usd=1_500_000,
    cluster_dominance=(65, 100),
    cluster_count=2,
    convergence=0.25,
    alarm=0.6,
)
MID: Final = Group(
    name="mid",
    storm_usd=500_000,
    storm_count=2,
    cluster_usd=500_000,
    cluster_dominance=(60, 100),
    cluster_count=2,
    convergence=0.20,
    alarm=0.5,
)
COINS: Final = {
    **dict.fromkeys(("BTC", "ETH", "SOL"), MAJORS),
    **dict.fromkeys(("BNB", "XRP", "ADA", "DOGE", "AVAX", "DOT"), LARGE),
}
"""All other coins are `MID`."""
GROUPS: Final = {one.name: one for one in (MAJORS, LARGE, MID)}

_PATTERN_MOST: Final = 0.5
"""One pattern's share of the radar, at most; three times its minimum would be 1."""
_ALONE: Final = 0.4
"""What one pattern alone must reach, where the group asks for more."""


class Radar(Struct, frozen=True):
    """The composite."""

    score: float
    """0 without a pattern, at most 1.3."""
    alarm: bool


def storm(group: Group, forced: Sums) -> int:
    """Return the dollars' millionths of the stronger side that is a storm; 0 when neither is."""
    return max(
        total if total >= group.storm_usd * MILLIONTHS and count >= group.storm_count else 0
        for total, count in ((forced.first, forced.first_count), (forced.second, forced.second_count))
    )


def cluster(group: Group, prints: Sums) -> int:
    """Return the dollars' millionths of both sides when large trades lean to one side enough; else 0."""
    total = prints.first + prints.second
    share, of = group.cluster_dominance
    leans = max(prints.first, prints.second) * of >= total * share
    enough = total >= group.cluster_usd * MILLIONTHS and prints.first_count + prints.second_count >= group.cluster_count
    return total if leans and enough else 0


def radar(group: Group, stormed: int, clustered: int) -> Radar:
    """Return min(storm / 3 minima, 0.5) + min(cluster / 3 minima, 0.5), more when both are there.

    It alarms at the group's threshold, and for one pattern alone at 0.4: 1.2 times its minimum.
    """
    score = min(stormed / (3 * group.storm_usd * MILLIONTHS), _PATTERN_MOST)
    score += min(clustered / (3 * group.cluster_usd * MILLIONTHS), _PATTERN_MOST)
    if stormed and clustered:
        score += group.convergence
        return Radar(score, score >= group.alarm)
    return Radar(score, score >= min(group.alarm, _ALONE))
