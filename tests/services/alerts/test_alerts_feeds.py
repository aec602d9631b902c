"""What was last said of venues' feeds, from PostgreSQL; asked at most once a second."""

from libs.common.conditions.subjects import Fact
from libs.common.events import Origin
from services.alerts.feeds import Feeds
from services.alerts.policy.quality import Feed

S = 1_000_000_000
PUT = """
INSERT INTO alerts.facts (kind, venue, symbol, at_ns, origin, facts) VALUES ($1, $2, '*', $3, 'simulated', $4)
ON CONFLICT (kind, venue, symbol) DO UPDATE SET at_ns = excluded.at_ns, facts = excluded.facts
"""


async def test_the_newest_of_each_venue_a_second_late_at_most(pool):
    feeds = Feeds(pool)
    assert await feeds.now(5 * S) == {}
    await pool.execute(PUT, "feed", "okx", 1, '{"grade": "b", "open_gaps": 2, "feed_stopped": false}')
    await pool.execute(PUT, "funding", "bybit", 1, '{"funding_rate": 0.1}')
    assert await feeds.now(6 * S - 1) == {}
    known: dict[str, Fact] = {"grade": "b", "open_gaps": 2, "feed_stopped": False}
    assert await feeds.now(6 * S) == {"okx": Feed(at_ns=1, origin=Origin.SIMULATED, facts=known)}
    await pool.execute(PUT, "feed", "okx", 9, '{"grade": "f"}')
    assert (await feeds.now(5 * S))["okx"].facts == {"grade": "f"}  # a clock that was put back forgets
