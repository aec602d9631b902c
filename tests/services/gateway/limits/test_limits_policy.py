"""Which buckets a request takes of, and what its answer says of them."""

import pytest

from services.gateway.limits.headers import headers
from services.gateway.limits.policy import PLANS, Admission, Bucket, Policies, Quotas, locked


def test_an_address_without_a_credential_has_less():
    policies = Policies()
    assert policies.door("203.0.113.9", known=False) == (
        Bucket("anonymous", "203.0.113.9", 300, 60, 1),
        Bucket("failures", "203.0.113.9", 10, 60, 0),
    )
    assert policies.door("203.0.113.9", known=True)[0] == Bucket("address", "203.0.113.9", 3_000, 60, 1)


def test_ten_refused_credentials_lock_an_address_out():
    assert Policies().failure("203.0.113.9") == (Bucket("failures", "203.0.113.9", 10, 60, 1),)
    assert locked(Admission(admitted=True, remaining=(299, 0), reset_s=(1, 60)))
    assert not locked(Admission(admitted=True, remaining=(0, 1), reset_s=(60, 54)))


def test_a_cheap_call_counts_by_the_second_and_by_the_minute():
    assert Policies().call("key1", limits="standard", operation="markets.ticker", cost=1) == (
        Bucket("burst", "key1", 20, 1, 1),
        Bucket("sustained", "key1", 600, 60, 1),
    )


def test_a_call_is_one_request_by_the_second_whatever_it_costs():
    buckets = Policies().call("key1", limits="standard", operation="exports.get", cost=50)
    assert buckets == (
        Bucket("burst", "key1", 20, 1, 1),
        Bucket("sustained", "key1", 600, 60, 50),
        Bucket("exports.get", "key1", 600, 60, 50),
    )


def test_a_quota_by_day_is_the_keys_own_before_that_of_all():
    policies = Policies(Quotas(per_day=5_000))
    common = policies.call("k", limits="standard", operation="o", cost=2)
    own = policies.call("k", limits="standard", operation="o", cost=2, quota_day=70)
    unlimited = policies.call("k", limits="standard", operation="o", cost=2, quota_day=0)
    assert common[2] == Bucket("day", "k", 5_000, 86_400, 2)
    assert own[2] == Bucket("day", "k", 70, 86_400, 2)
    assert [bucket.policy for bucket in unlimited] == ["burst", "sustained"]


def test_wider_limits_are_ten_times_the_standard_and_unknown_ones_are_the_standard():
    wide = Policies().call("k", limits="wide", operation="o", cost=5)
    assert [bucket.quota for bucket in wide] == [200, 6_000, 600]
    assert Policies().call("k", limits="?", operation="o", cost=5) == Policies().call(
        "k", limits="standard", operation="o", cost=5
    )


@pytest.mark.parametrize("limits", sorted(PLANS))
def test_no_cost_is_above_a_quota(limits):
    for cost in range(1, 201):  # a batch of twenty of the dearest that a batch may hold
        for bucket in Policies().call("k", limits=limits, operation="o", cost=cost):
            assert bucket.cost <= bucket.quota


def test_the_fields_of_an_answer_are_those_of_the_draft():
    buckets = Policies().call("k", limits="standard", operation="markets.ticker", cost=1)
    # the draft's form: RateLimit-Policy: "burst";q=100;w=60 and RateLimit: "default";r=50;t=30
    assert headers(buckets, Admission(admitted=True, remaining=(19, 541), reset_s=(1, 6))) == {
        "RateLimit-Policy": '"burst";q=20;w=1, "sustained";q=600;w=60',
        "RateLimit": '"sustained";r=541;t=6',
    }


def test_a_refusal_says_when_to_come_again():
    buckets = Policies().call("k", limits="standard", operation="markets.ticker", cost=1)
    found = headers(buckets, Admission(admitted=False, remaining=(20, 0), reset_s=(0, 60), retry_after_s=1))
    assert found["RateLimit"] == '"sustained";r=0;t=60'
    assert found["Retry-After"] == "1"


def test_of_a_bucket_only_looked_at_nothing_is_said():
    door = Policies().door("a", known=True)
    found = headers(door, Admission(admitted=True, remaining=(2_999, 0), reset_s=(1, 60)))
    assert found == {"RateLimit-Policy": '"address";q=3000;w=60', "RateLimit": '"address";r=2999;t=1'}
    assert headers(door[1:], Admission(admitted=True, remaining=(0,), reset_s=(60,))) == {}
