"""What a budget lets through: five hundred at once by hand, and no hour above it whatever comes."""

from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import HOUR_NS, Severity
from services.alerts.policy.budget import Bucket, Limits, Way, apportion

S = 1_000_000_000
NOW = 1_790_000_000 * S
WARNING, CRITICAL, INFO = Severity.WARNING, Severity.CRITICAL, Severity.INFO


def test_of_five_hundred_at_once_the_critical_are_told_and_the_rest_rolls_up():
    ways, bucket = apportion([INFO] * 490 + [CRITICAL] * 10, Bucket(), limits=Limits(per_h=20), now_ns=NOW)
    assert ways == (Way.ROLL_UP,) * 490 + (Way.ALONE,) * 10
    assert bucket.left(20, NOW) == 10
    ways, _ = apportion([CRITICAL] * 15, Bucket(), limits=Limits(per_h=20), now_ns=NOW)
    assert ways == (Way.ALONE,) * 10 + (Way.ROLL_UP,) * 5


def test_critical_ones_go_into_debt_and_others_wait_for_it():
    bucket = Bucket()
    for _ in range(3):
        ways, bucket = apportion([CRITICAL], bucket, limits=Limits(per_h=2), now_ns=NOW)
        assert ways == (Way.ALONE,)
    assert bucket.left(2, NOW) == -1
    assert apportion([WARNING], bucket, limits=Limits(per_h=2), now_ns=NOW + HOUR_NS - 1)[0] == (Way.ROLL_UP,)
    assert bucket.next_ns(2, NOW) == NOW + HOUR_NS
    assert apportion([WARNING], bucket, limits=Limits(per_h=2), now_ns=NOW + HOUR_NS)[0] == (Way.ALONE,)


def test_without_a_budget_each_is_told_by_itself():
    ways, bucket = apportion([INFO] * 900 + [CRITICAL] * 100, Bucket(), limits=Limits(per_h=0), now_ns=NOW)
    assert ways == (Way.ALONE,) * 1000
    assert bucket == Bucket()


def test_what_comes_within_two_seconds_comes_at_once():
    bucket, told = Bucket(), list[Way]()
    for number in range(100):
        ways, bucket = apportion([WARNING], bucket, limits=Limits(), now_ns=NOW + number * S // 100)
        told += ways
    assert told == [Way.ALONE] * 5 + [Way.ROLL_UP] * 95
    assert apportion([WARNING], bucket, limits=Limits(), now_ns=NOW + 3 * S)[0] == (Way.ALONE,)


def test_critical_ones_of_a_group_are_served_first():
    assert apportion([WARNING, CRITICAL], Bucket(), limits=Limits(per_h=1), now_ns=NOW)[0] == (Way.ROLL_UP, Way.ALONE)


def test_a_clock_that_was_set_back_keeps_nobody_silent_for_longer_than_an_hour():
    bucket = Bucket((NOW + 5 * HOUR_NS,))
    assert bucket.left(1, NOW) == 0
    assert bucket.next_ns(1, NOW) == NOW + HOUR_NS


@given(
    st.lists(st.tuples(st.integers(0, 2_000), st.lists(st.sampled_from(Severity), max_size=8)), max_size=40),
    st.integers(1, 12),
)
def test_no_hour_is_over_budget_but_for_critical_ones(groups, per_h):
    bucket, now_ns, told = Bucket(), NOW, []
    for wait_s, wants in groups:
        now_ns += wait_s * S
        ways, bucket = apportion(wants, bucket, limits=Limits(per_h=per_h), now_ns=now_ns)
        assert len(ways) == len(wants)
        told += [now_ns for way, one in zip(ways, wants, strict=True) if way is Way.ALONE and one is not CRITICAL]
        assert len(bucket.spent_ns) <= 2 * per_h
        assert -per_h <= bucket.left(per_h, now_ns) <= per_h
        assert bucket.left(per_h, bucket.next_ns(per_h, now_ns)) > 0
    for at_ns in told:
        assert sum(at_ns - HOUR_NS < one <= at_ns for one in told) <= per_h
