"""The group's state machine: generations, leaders, silence, fencing; members are coroutines here."""

import asyncio

import pytest

from deploy.local.broker.codes import Code
from deploy.local.broker.groups import Group
from deploy.local.broker.members import Joined, Joining, State


@pytest.fixture
async def group():
    group = Group()
    yield group
    group.close()


def _joining(
    member_id: str = "", *, instance: str | None = None, protocols: tuple[str, ...] = ("range",), session_s: float = 30
) -> Joining:
    return Joining(
        member_id=member_id,
        instance=instance,
        client="c",
        host="h",
        session_s=session_s,
        rebalance_s=30,
        kind="consumer",
        protocols=dict.fromkeys(protocols, b""),
    )


async def _stable(group: Group, count: int) -> list[str]:
    """Bring `count` members into a stable group; the leader is the first."""
    joined = await asyncio.gather(*[group.join(_joining()) for _ in range(count)])
    ids = [place.member_id for place in joined]
    ids.sort(key=lambda member_id: member_id != group.leader)
    plan = [(member_id, member_id.encode()) for member_id in ids]
    answers = await asyncio.gather(
        *[group.sync(member_id, group.generation, plan if member_id == group.leader else []) for member_id in ids]
    )
    assert answers == [(Code.NONE, member_id.encode()) for member_id in ids]
    return ids


@pytest.mark.parametrize("count", [1, 2, 5])
async def test_members_that_start_together_share_the_first_generation(group, count):
    await _stable(group, count)
    assert (group.state, group.generation, len(group.members)) == (State.STABLE, 1, count)


async def test_a_follower_may_sync_before_and_after_its_leader(group):
    first, second = [place.member_id for place in await asyncio.gather(*[group.join(_joining()) for _ in range(2)])]
    follower = second if group.leader == first else first
    early = asyncio.create_task(group.sync(follower, 1, []))
    await asyncio.sleep(0)
    assert not early.done()
    assert group.leader is not None
    assert await group.sync(group.leader, 1, [(follower, b"f"), (group.leader, b"l")]) == (Code.NONE, b"l")
    assert await early == (Code.NONE, b"f")
    assert await group.sync(follower, 1, []) == (Code.NONE, b"f")


async def test_a_newcomer_makes_everybody_join_again(group):
    (old,) = await _stable(group, 1)
    newcomer = asyncio.create_task(group.join(_joining()))
    await asyncio.sleep(0)
    assert group.heartbeat(old, 1) is Code.REBALANCE_IN_PROGRESS
    code, _, _ = await group.join(_joining(old))
    assert (code, (await newcomer)[0], group.generation) == (Code.NONE, Code.NONE, 2)
    assert group.heartbeat(old, 1) is Code.ILLEGAL_GENERATION


async def test_a_member_that_leaves_or_falls_silent_is_gone(group):
    leader, follower = await _stable(group, 2)
    assert group.leave(follower) is Code.NONE
    assert group.leave(follower) is Code.UNKNOWN_MEMBER_ID
    assert group.heartbeat(leader, 1) is Code.REBALANCE_IN_PROGRESS
    code, _, _ = await group.join(_joining(leader, session_s=0.05))
    assert (code, group.generation) == (Code.NONE, 2)
    async with asyncio.timeout(5):
        while group.members:  # noqa: ASYNC110 - a group has no event for being empty
            await asyncio.sleep(0.01)
    assert group.state is State.EMPTY


@pytest.mark.parametrize("leads", [True, False])
async def test_a_restarted_instance_takes_its_old_place_at_once(group, leads):
    places = await asyncio.gather(*[group.join(_joining(instance=name)) for name in ("a", "b")])
    leader, follower = sorted((place.member_id for place in places), key=lambda member_id: member_id != group.leader)
    plan = [(leader, b"mine-leader"), (follower, b"mine-follower")]
    await asyncio.gather(group.sync(leader, 1, plan), group.sync(follower, 1, []))
    old, other = (leader, follower) if leads else (follower, leader)
    instance = group.members[old].instance
    again = await asyncio.wait_for(group.join(_joining(instance=instance)), 1)
    assert (again.code, group.state, group.generation) == (Code.NONE, State.STABLE, 1)
    assert again.leader != again.member_id, "it follows, so that nobody is assigned anew"
    assert await group.sync(again.member_id, 1, [], instance) == (Code.NONE, dict(plan)[old])
    assert group.heartbeat(other, 1) is Code.NONE
    assert group.heartbeat(old, 1) is Code.UNKNOWN_MEMBER_ID
    assert group.heartbeat(old, 1, instance) is Code.FENCED_INSTANCE_ID
    assert (await group.join(_joining(old, instance=instance))).code is Code.FENCED_INSTANCE_ID
    assert (again.member_id if leads else other) == group.leader


async def test_a_restarted_instance_with_other_wishes_makes_everybody_join_again(group):
    _, old, _ = await group.join(_joining(instance="a"))
    await group.sync(old, 1, [(old, b"x")])
    code, new, leader = await group.join(_joining(instance="a", protocols=("range", "sticky")))
    assert (code, leader, group.generation, list(group.members)) == (Code.NONE, new, 2, [new])


async def test_strangers_and_those_with_nothing_in_common_are_refused(group):
    await _stable(group, 1)
    assert await group.join(_joining("nobody")) == Joined(Code.UNKNOWN_MEMBER_ID, "nobody")
    assert (await group.join(_joining(protocols=("sticky",))))[0] is Code.INCONSISTENT_GROUP_PROTOCOL
    assert (await group.join(_joining(protocols=())))[0] is Code.INCONSISTENT_GROUP_PROTOCOL
    assert (await group.join(_joining(session_s=0)))[0] is Code.INVALID_SESSION_TIMEOUT
    assert await group.sync("nobody", 1, []) == (Code.UNKNOWN_MEMBER_ID, b"")


async def test_the_first_protocol_that_all_speak_is_chosen(group):
    await asyncio.gather(
        group.join(_joining(protocols=("sticky", "range", "roundrobin"))),
        group.join(_joining(protocols=("roundrobin", "range"))),
    )
    assert group.protocol == "range"


async def test_a_disconnected_joiner_does_not_block_the_others(group):
    lost = asyncio.create_task(group.join(_joining()))
    await asyncio.sleep(0)
    lost.cancel()
    code, member_id, _ = await asyncio.wait_for(group.join(_joining()), 5)
    assert (code, member_id in group.members) == (Code.NONE, True)
