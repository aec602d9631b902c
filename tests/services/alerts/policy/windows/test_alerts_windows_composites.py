"""Storm, cluster and radar at each edge of the predecessors' table (`ws_alert`, three groups of coins)."""

from math import inf, nextafter

import pytest

from services.alerts.policy.watching import Watching
from services.alerts.policy.windows.groups import GROUPS, radar
from services.alerts.policy.windows.rolling import MILLIONTHS
from tests.services.alerts.policy.windows.market_events import BUY, LONG, SELL, SHORT, liquidation, trade

# coin; storm: dollars, count; cluster: dollars, dominance, count; radar: convergence, threshold
TABLE = [
    ("BTC", 2_000_000, 3, 3_000_000, 0.70, 3, 0.30, 0.7),
    ("ETH", 2_000_000, 3, 3_000_000, 0.70, 3, 0.30, 0.7),
    ("SOL", 2_000_000, 3, 3_000_000, 0.70, 3, 0.30, 0.7),
    *((coin, 1_000_000, 2, 1_500_000, 0.65, 2, 0.25, 0.6) for coin in ("BNB", "XRP", "ADA", "DOGE", "AVAX", "DOT")),
    ("PEPE", 500_000, 2, 500_000, 0.60, 2, 0.20, 0.5),
]
rows = pytest.mark.parametrize(
    ("coin", "storm", "storm_count", "cluster", "dominance", "cluster_count", "convergence", "alarm"), TABLE
)


def last(events, wanted="liquidation"):
    watching, told = Watching(), {}
    for event in events:
        for subject in watching.take(event):
            if subject.kind == wanted:
                told = subject.facts
    return told


@rows
def test_a_storm_begins_at_its_sum_and_its_count_on_one_side(
    coin, storm, storm_count, cluster, dominance, cluster_count, convergence, alarm
):
    symbol = f"{coin}-USDT-PERP"
    alone = storm / storm_count

    def facts(parts, side=LONG):
        return last(liquidation(number, usd, side, symbol) for number, usd in enumerate(parts))

    enough = [storm - 1000.0 * (storm_count - 1), *[1000.0] * (storm_count - 1)]
    assert facts(enough)["storm"] is True
    assert facts(enough, SHORT)["storm"] is True
    assert facts([enough[0] - 0.01, *enough[1:]])["storm"] is False  # a cent less
    assert facts([float(storm), *[1000.0] * (storm_count - 2)])["storm"] is False  # one liquidation less
    both = [liquidation(n, alone, side, symbol) for n, side in enumerate([LONG, SHORT] * storm_count)]
    assert last(both)["storm"] is True  # storm_count of each: both sides are one
    assert last(both[:-2])["storm"] is False  # together enough, but neither side alone


@rows
def test_a_storm_lasts_for_less_than_thirty_seconds(
    coin, storm, storm_count, cluster, dominance, cluster_count, convergence, alarm
):
    symbol = f"{coin}-USDC-PERP"
    parts = [(float(number), storm / storm_count) for number in range(storm_count)]
    later = [liquidation(at_s, usd + 1, LONG, symbol) for at_s, usd in parts[1:]]
    first = liquidation(0.0, storm / storm_count, LONG, symbol)
    assert last([first, *later, liquidation(29.9, 1.0, SHORT, symbol)])["storm"] is True
    assert last([first, *later, liquidation(30.0, 1.0, SHORT, symbol)])["storm"] is False


@rows
def test_a_cluster_begins_at_its_sum_its_dominance_and_its_count(
    coin, storm, storm_count, cluster, dominance, cluster_count, convergence, alarm
):
    symbol = f"{coin}-USDT"
    buy, sell = cluster * round(100 * dominance) / 100, cluster * round(100 - 100 * dominance) / 100

    def facts(first, second, bought=BUY, count=cluster_count):
        sold = SELL if bought is BUY else BUY
        rest = [trade(2 + number, 10_000.0, bought, symbol) for number in range(count - 2)]
        return last([trade(0, second, sold, symbol), *rest, trade(20, first - 10_000.0 * len(rest), bought, symbol)])

    assert facts(buy, sell)["cluster"] is True
    assert facts(buy, sell, SELL)["cluster"] is True
    assert facts(buy - 0.01, sell)["cluster"] is False  # a cent below the sum, and the dominance
    assert facts(buy - 1, sell + 1)["cluster"] is False  # the sum, but a dollar too balanced
    assert facts(buy * 2, sell * 2)["cluster"] is True
    assert facts(float(cluster), 10_000.0)["cluster"] is True
    few = [trade(number, cluster * 1.5, BUY, symbol) for number in range(cluster_count - 1)]
    assert last(few)["cluster"] is False  # one trade too few


@rows
def test_the_radar_adds_both_patterns_and_what_they_mean_together(
    coin, storm, storm_count, cluster, dominance, cluster_count, convergence, alarm
):
    group = next(one for one in GROUPS.values() if (one.storm_usd, one.cluster_usd) == (storm, cluster))
    assert group.alarm == alarm

    def score(storms, clusters):
        found = radar(group, round(storms * storm * MILLIONTHS), round(clusters * cluster * MILLIONTHS))
        return pytest.approx(found.score, abs=1e-9), found.alarm

    assert score(0, 0) == (0.0, False)
    assert score(1, 0) == (1 / 3, False)
    assert score(0, 1) == (1 / 3, False)
    assert score(1.2, 0) == (0.4, True)  # a pattern alone alarms at 0.4
    assert score(1.1999, 0) == (1.1999 / 3, False)
    assert score(0, 1.5) == (0.5, True)
    assert score(0, 9) == (0.5, True)  # and never counts for more than a half
    assert score(1, 1) == (2 / 3 + convergence, True)
    assert score(3, 3) == (1 + convergence, True)


def test_storm_and_cluster_of_one_market_make_one_radar():
    events = [
        *(trade(number / 10, 1_000_000.0, SELL, trade_id=str(number)) for number in range(3)),
        *(liquidation(1 + number / 10, 700_000.0 + number) for number in range(3)),
    ]
    facts = last(events)
    # 2,100,003 / 6,000,000 + 3,000,000 / 9,000,000 + 0.30
    assert facts["radar"] == pytest.approx(0.3500005 + 1 / 3 + 0.30)
    assert (facts["storm"], facts["cluster"], facts["radar_alarm"], facts["cap_group"]) == (True, True, True, "majors")


def test_without_trades_there_is_neither_cluster_nor_radar():
    facts = last(liquidation(number, 1_000_000.0) for number in range(3))
    assert facts["storm"] is True
    assert not {"cluster", "radar", "radar_alarm", "prints_usd_30s"} & set(facts)


def test_before_a_first_liquidation_there_is_no_sum_of_them():
    facts = last(trade(number, 400_000.0, trade_id=str(number)) for number in range(9))
    assert facts["cluster"] is True
    assert not [name for name in facts if name.startswith(("liq_", "storm"))]


def test_an_edge_is_not_blurred_by_rounding():
    below = nextafter(2_000_000.0, -inf)
    parts = [below / 3] * 3
    facts = last(liquidation(number, usd) for number, usd in enumerate(parts))
    # three times 666,666.666667 are 2,000,000.000001: a millionth of a dollar is what a sum can tell apart
    assert facts["liq_usd_30s"] == 2_000_000.000001
