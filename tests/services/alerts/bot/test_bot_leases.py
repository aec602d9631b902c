"""One name, one holder; time is an argument."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.alerts.bot.leases import LASTS_S, RENEWED_S, Lease
from services.alerts.bot.polling import LOOKED_S

S = 1_000_000_000


@pytest.fixture
def both(pool):
    return Lease(pool, "updates", "one"), Lease(pool, "updates", "two")


async def test_only_one_has_it_while_it_renews(both):
    one, two = both
    for second in range(0, 60, 2):
        assert await one.take(second * S)
        assert not await two.take(second * S + S)
        assert one.held(second * S + 2 * S)
        assert not two.held(second * S + S)


async def test_a_dead_holder_is_followed_within_ten_seconds(both):
    one, two = both
    assert await one.take(0)  # and dies right after it has renewed
    seconds = 0.0
    while not await two.take(int(seconds * S)):
        seconds += LOOKED_S
    assert seconds == LASTS_S
    assert LASTS_S + LOOKED_S < 10
    assert not one.held(int((LASTS_S - 1) * S))  # it stops before the other begins
    assert not await one.take(int(LASTS_S * S) + 1)
    assert RENEWED_S * 3 < LASTS_S


async def test_who_lets_go_is_followed_at_once(both):
    one, two = both
    await one.take(S)
    await one.give()
    assert not one.held(S)
    assert await two.take(2 * S)
    await one.give()  # of what is no longer its own
    assert not await one.take(3 * S)


async def test_the_token_grows_with_each_holder(both, pool):
    one, two = both
    for second, lease in ((0, one), (1, one), (20, two), (40, one)):
        assert await lease.take(second * S)
    assert await pool.fetchval("SELECT token FROM alerts.leases") == 3


async def test_names_are_apart(pool):
    assert await Lease(pool, "a", "one").take(0)
    assert await Lease(pool, "b", "two").take(0)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5)), max_size=30))
async def test_never_two_at_once(pool, steps):
    await pool.execute("DELETE FROM alerts.leases")
    leases = [Lease(pool, "updates", f"holder {number}") for number in range(3)]
    now = 0
    for who, passed in steps:
        now += passed * S
        await leases[who].take(now)
        assert sum(lease.held(now) for lease in leases) <= 1
