"""Metadata, topics, partitions, settings: requests in, answers out, the table of topics changed."""

from collections.abc import Callable
from typing import Final

from deploy.local.broker.broker import CLUSTER_ID, NODE_ID, Broker
from deploy.local.broker.codes import Code
from deploy.local.broker.configs import ConfigRefusedError
from deploy.local.broker.topics import is_legal
from deploy.local.broker.wire import EMPTY, NO_THROTTLE, Request, array, i8, i16, i32, i64, string

_TOPIC: Final = 2  # resource types and config sources of DescribeConfigs
_TOPIC_SOURCE: Final = 1
_DEFAULT_SOURCE: Final = 5
_MOST_PARTITIONS: Final = 1000


def metadata(broker: Broker, request: Request) -> bytes:
    """Describe the one node and topics (versions 1 to 5), creating the latter where that is allowed."""
    asked = request.optional_array(request.string)
    may_create = broker.auto_create and (request.version < 4 or bool(request.i8()))
    names = list(broker.topics) if asked is None else asked
    node = i32(NODE_ID) + string(broker.host) + i32(broker.port) + string(None)
    cluster = string(CLUSTER_ID) if request.version >= 2 else b""
    described = array(_describe(broker, name, request.version, may_create=may_create) for name in names)
    throttle = NO_THROTTLE if request.version >= 3 else b""
    return throttle + array([node]) + cluster + i32(NODE_ID) + described


def _describe(broker: Broker, name: str, version: int, *, may_create: bool) -> bytes:
    if not is_legal(name):
        return i16(Code.INVALID_TOPIC) + string(name) + i8(0) + EMPTY
    if name not in broker.topics and may_create:
        broker.topics.create(name, broker.partitions, {})
    if name not in broker.topics:
        return i16(Code.UNKNOWN_TOPIC_OR_PARTITION) + string(name) + i8(0) + EMPTY
    me = array([i32(NODE_ID)])
    offline = EMPTY if version >= 5 else b""
    count = len(broker.topics.logs(name))
    partitions = array(i16(Code.NONE) + i32(number) + i32(NODE_ID) + me + me + offline for number in range(count))
    return i16(Code.NONE) + string(name) + i8(0) + partitions


def create_topics(broker: Broker, request: Request) -> bytes:
    """Create topics (versions 0 to 3), or only say whether they could be."""

    def assignment() -> None:
        request.i32()
        request.array(request.i32)

    def asked() -> tuple[str, int, int, int, dict[str, str | None]]:
        name, partitions, replicas = request.string(), request.i32(), request.i16()
        assigned = len(request.array(assignment))
        settings = dict(request.array(lambda: (request.string(), request.optional_string())))
        return name, partitions, replicas, assigned, settings

    topics = request.array(asked)
    request.i32()
    dry = request.version >= 1 and bool(request.i8())
    answers = []
    for name, partitions, replicas, assigned, settings in topics:
        count = assigned or (broker.partitions if partitions == -1 else partitions)
        code, message = _create(broker, name, count, replicas, settings, dry=dry)
        answers.append(string(name) + i16(code) + (string(message) if request.version >= 1 else b""))
    return (NO_THROTTLE if request.version >= 2 else b"") + array(answers)


def _create(
    broker: Broker, name: str, count: int, replicas: int, settings: dict[str, str | None], *, dry: bool
) -> tuple[Code, str | None]:
    if not is_legal(name):
        return Code.INVALID_TOPIC, "a name has 1 to 249 of a-z A-Z 0-9 . _ -"
    if name in broker.topics:
        return Code.TOPIC_ALREADY_EXISTS, f"topic {name} exists"
    if not 1 <= count <= _MOST_PARTITIONS:
        return Code.INVALID_PARTITIONS, f"a topic has 1 to {_MOST_PARTITIONS} partitions"
    if replicas not in {-1, 1}:
        return Code.INVALID_REPLICATION_FACTOR, "this broker is one node: the replication factor is 1"
    try:
        if dry:
            broker.topics.check(settings)
        else:
            broker.topics.create(name, count, settings)
    except ConfigRefusedError as e:
        return Code.INVALID_CONFIG, str(e)
    return Code.NONE, None


def delete_topics(broker: Broker, request: Request) -> bytes:
    """Delete topics with their data and every group's offsets of them (versions 0 and 1)."""
    answers = []
    for name in request.array(request.string):
        known = name in broker.topics
        if known:
            broker.topics.delete(name)
            broker.offsets.forget_topic(name)
        answers.append(string(name) + i16(Code.NONE if known else Code.UNKNOWN_TOPIC_OR_PARTITION))
    return (NO_THROTTLE if request.version >= 1 else b"") + array(answers)


def create_partitions(broker: Broker, request: Request) -> bytes:
    """Add partitions to topics (versions 0 and 1), or only say whether they could be."""

    def asked() -> tuple[str, int]:
        name, count = request.string(), request.i32()
        request.array(lambda: request.array(request.i32))
        return name, count

    topics = request.array(asked)
    request.i32()
    dry = bool(request.i8())
    answers = []
    for name, count in topics:
        code = Code.NONE if name in broker.topics else Code.UNKNOWN_TOPIC_OR_PARTITION
        if not code and not len(broker.topics.logs(name)) < count <= _MOST_PARTITIONS:
            code = Code.INVALID_PARTITIONS
        if not code and not dry:
            broker.topics.grow(name, count)
        answers.append(string(name) + i16(code) + string(None))
    return NO_THROTTLE + array(answers)


def delete_records(broker: Broker, request: Request) -> bytes:
    """Move the start of partitions forward (versions 0 and 1)."""

    def partition(topic: str) -> bytes:
        number, offset = request.i32(), request.i64()
        log = broker.topics.log(topic, number)
        if log is None:
            return i32(number) + i64(-1) + i16(Code.UNKNOWN_TOPIC_OR_PARTITION)
        target = log.end if offset == -1 else offset
        if not 0 <= target <= log.end:
            return i32(number) + i64(-1) + i16(Code.OFFSET_OUT_OF_RANGE)
        log.delete_before(target)
        return i32(number) + i64(log.start) + i16(Code.NONE)

    return NO_THROTTLE + array(request.array(_each_topic(request, partition)))


def describe_configs(broker: Broker, request: Request) -> bytes:
    """Show the settings of topics and of the broker (versions 0 and 1)."""

    def resource() -> bytes:
        kind, name = request.i8(), request.string()
        wanted = request.optional_array(request.string)
        if kind == _TOPIC and name not in broker.topics:
            return i16(Code.UNKNOWN_TOPIC_OR_PARTITION) + string(None) + i8(kind) + string(name) + EMPTY
        settings = broker.topics.settings(name) if kind == _TOPIC else broker.topics.defaults
        own = broker.topics.overridden(name) if kind == _TOPIC else frozenset[str]()
        entries = array(
            _setting(setting, value, request.version, own=setting in own)
            for setting, value in settings.items()
            if wanted is None or setting in wanted
        )
        return i16(Code.NONE) + string(None) + i8(kind) + string(name) + entries

    return NO_THROTTLE + array(request.array(resource))


def _setting(name: str, value: str, version: int, *, own: bool) -> bytes:
    entry = string(name) + string(value) + i8(0)
    if version == 0:
        return entry + i8(0 if own else 1) + i8(0)
    return entry + i8(_TOPIC_SOURCE if own else _DEFAULT_SOURCE) + i8(0) + EMPTY


def _each_topic(request: Request, partition: Callable[[str], bytes]) -> Callable[[], bytes]:
    def of_topic() -> bytes:
        topic = request.string()
        return string(topic) + array(request.array(lambda: partition(topic)))

    return of_topic
