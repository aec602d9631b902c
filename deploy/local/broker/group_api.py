"""Consumer groups on the wire: requests in, answers out, groups and committed offsets changed."""

from typing import Final

from deploy.local.broker.broker import NODE_ID, Broker
from deploy.local.broker.codes import Code
from deploy.local.broker.groups import Group
from deploy.local.broker.members import Joined, Joining, State
from deploy.local.broker.offsets import Committed, Partition
from deploy.local.broker.wire import EMPTY, NO_THROTTLE, Request, array, bytes_, i16, i32, i64, string

_NOTHING: Final = Committed(-1, "")


def find_coordinator(broker: Broker, request: Request) -> bytes:
    """Name the one node (versions 0 and 1)."""
    request.string()
    head = NO_THROTTLE + i16(Code.NONE) + string(None) if request.version >= 1 else i16(Code.NONE)
    return head + i32(NODE_ID) + string(broker.host) + i32(broker.port)


async def join_group(broker: Broker, request: Request) -> bytes:
    """Join, and wait for the generation (versions 0 to 5)."""
    group_id, session_ms = request.string(), request.i32()
    rebalance_ms = request.i32() if request.version >= 1 else session_ms
    member_id = request.string()
    instance = request.optional_string() if request.version >= 5 else None
    kind = request.string()
    protocols = dict(request.array(lambda: (request.string(), request.bytes_())))
    throttle = NO_THROTTLE if request.version >= 2 else b""
    group = broker.groups.setdefault(group_id, Group()) if group_id else None
    joining = Joining(
        member_id=member_id,
        instance=instance,
        client=request.client,
        host=request.host,
        session_s=session_ms / 1000,
        rebalance_s=max(rebalance_ms, 1) / 1000,
        kind=kind,
        protocols=protocols,
    )
    joined = Joined(Code.INVALID_GROUP_ID, member_id) if group is None else await group.join(joining)
    if joined.code or group is None:
        return throttle + i16(joined.code) + i32(-1) + string("") + string("") + string(joined.member_id) + EMPTY
    members = list(group.members.values()) if joined.leader == joined.member_id else []
    listed = array(
        string(member.member_id)
        + (string(member.instance) if request.version >= 5 else b"")
        + bytes_(member.protocols.get(group.protocol or "", b""))
        for member in members
    )
    head = i16(Code.NONE) + i32(group.generation) + string(group.protocol) + string(joined.leader)
    return throttle + head + string(joined.member_id) + listed


async def sync_group(broker: Broker, request: Request) -> bytes:
    """Bring or fetch assignments (versions 0 to 3)."""
    group_id, generation, member_id = request.string(), request.i32(), request.string()
    instance = request.optional_string() if request.version >= 3 else None
    assignments = request.array(lambda: (request.string(), request.bytes_()))
    group = broker.groups.get(group_id)
    code, mine = Code.UNKNOWN_MEMBER_ID, b""
    if group is not None:
        code, mine = await group.sync(member_id, generation, assignments, instance)
    return (NO_THROTTLE if request.version >= 1 else b"") + i16(code) + bytes_(mine)


def heartbeat(broker: Broker, request: Request) -> bytes:
    """Keep a member alive (versions 0 to 3)."""
    group_id, generation, member_id = request.string(), request.i32(), request.string()
    instance = request.optional_string() if request.version >= 3 else None
    group = broker.groups.get(group_id)
    code = group.heartbeat(member_id, generation, instance) if group else Code.UNKNOWN_MEMBER_ID
    return (NO_THROTTLE if request.version >= 1 else b"") + i16(code)


def leave_group(broker: Broker, request: Request) -> bytes:
    """Remove a member (versions 0 and 1)."""
    group_id, member_id = request.string(), request.string()
    group = broker.groups.get(group_id)
    code = group.leave(member_id) if group else Code.UNKNOWN_MEMBER_ID
    return (NO_THROTTLE if request.version >= 1 else b"") + i16(code)


def offset_commit(broker: Broker, request: Request) -> bytes:
    """Store offsets of a member, or of a consumer without group membership (versions 2 and 3)."""
    group_id, generation, member_id = request.string(), request.i32(), request.string()
    request.i64()
    group = broker.groups.get(group_id)
    refused = Code.NONE
    if generation >= 0 or (group is not None and group.members):
        refused = group.check(member_id, generation) if group else Code.UNKNOWN_MEMBER_ID
        if group and not refused:
            group.heartbeat(member_id, generation)
            refused = Code.REBALANCE_IN_PROGRESS if group.state is State.COMPLETING else Code.NONE
    accepted: list[tuple[Partition, Committed]] = []

    def partition(topic: str) -> bytes:
        number, offset, note = request.i32(), request.i64(), request.string()
        code = refused
        if not code and broker.topics.log(topic, number) is None:
            code = Code.UNKNOWN_TOPIC_OR_PARTITION
        if not code:
            accepted.append(((topic, number), Committed(offset, note)))
        return i32(number) + i16(code)

    def of_topic() -> bytes:
        topic = request.string()
        return string(topic) + array(request.array(lambda: partition(topic)))

    answer = array(request.array(of_topic))
    broker.offsets.commit(group_id, accepted)
    return (NO_THROTTLE if request.version >= 3 else b"") + answer


def offset_fetch(broker: Broker, request: Request) -> bytes:
    """Return committed offsets, -1 where there is none (versions 1 to 3)."""
    committed = broker.offsets.of(request.string())
    asked = request.optional_array(lambda: (request.string(), request.array(request.i32)))
    if asked is None:
        by_topic: dict[str, list[int]] = {}
        for topic, number in committed:
            by_topic.setdefault(topic, []).append(number)
        asked = list(by_topic.items())

    def partition(topic: str, number: int) -> bytes:
        found = committed.get((topic, number), _NOTHING)
        return i32(number) + i64(found.offset) + string(found.metadata) + i16(Code.NONE)

    answer = array(string(topic) + array(partition(topic, number) for number in numbers) for topic, numbers in asked)
    tail = i16(Code.NONE) if request.version >= 2 else b""
    return (NO_THROTTLE if request.version >= 3 else b"") + answer + tail


def list_groups(broker: Broker, request: Request) -> bytes:
    """List every group with members or offsets (versions 0 to 2)."""
    names = dict.fromkeys([*broker.groups, *broker.offsets.groups()])
    rows = array(string(name) + string(broker.groups[name].kind if name in broker.groups else "") for name in names)
    return (NO_THROTTLE if request.version >= 1 else b"") + i16(Code.NONE) + rows


def describe_groups(broker: Broker, request: Request) -> bytes:
    """Show state and members of groups (versions 0 and 1)."""
    answer = array(_described(broker, name) for name in request.array(request.string))
    return (NO_THROTTLE if request.version >= 1 else b"") + answer


def _described(broker: Broker, name: str) -> bytes:
    group = broker.groups.get(name)
    if group is None:
        state = "Empty" if broker.offsets.of(name) else "Dead"
        return i16(Code.NONE) + string(name) + string(state) + string("") + string("") + EMPTY
    members = array(
        string(member.member_id)
        + string(member.client)
        + string(member.host)
        + bytes_(member.protocols.get(group.protocol or "", b""))
        + bytes_(member.assignment)
        for member in group.members.values()
    )
    head = i16(Code.NONE) + string(name) + string(group.state) + string(group.kind)
    return head + string(group.protocol or "") + members


def delete_groups(broker: Broker, request: Request) -> bytes:
    """Delete empty groups and their offsets (versions 0 and 1)."""
    answers = []
    for name in request.array(request.string):
        group = broker.groups.get(name)
        code = Code.NONE if group or broker.offsets.of(name) else Code.GROUP_ID_NOT_FOUND
        if group and group.members:
            code = Code.NON_EMPTY_GROUP
        if not code:
            broker.groups.pop(name, None)
            broker.offsets.forget(name)
        answers.append(string(name) + i16(code))
    return NO_THROTTLE + array(answers)
