"""Idempotence and transactions on the wire: requests in, answers out, the coordinator changed."""

from deploy.local.broker.broker import Broker
from deploy.local.broker.codes import Code
from deploy.local.broker.offsets import Committed, Partition
from deploy.local.broker.wire import NO_THROTTLE, Request, array, i16, i32, i64, string


def init_producer_id(broker: Broker, request: Request) -> bytes:
    """Give a producer its id and epoch (versions 0 and 1)."""
    producer_id, epoch = broker.transactions.producer(request.optional_string(), request.i32())
    return NO_THROTTLE + i16(Code.NONE) + i64(producer_id) + i16(epoch)


def add_partitions(broker: Broker, request: Request) -> bytes:
    """Add partitions to a transaction, all or none of them (version 0)."""
    name = request.string()
    refused = broker.transactions.check(name, request.i64(), request.i16())
    topics = request.array(lambda: (request.string(), request.array(request.i32)))
    wanted: list[Partition] = [(topic, number) for topic, numbers in topics for number in numbers]
    unknown = {partition for partition in wanted if broker.topics.log(*partition) is None}
    if not refused and not unknown:
        broker.transactions.add_partitions(name, wanted)

    def answer(topic: str, number: int) -> bytes:
        missing = Code.UNKNOWN_TOPIC_OR_PARTITION if (topic, number) in unknown else Code.NONE
        return i32(number) + i16(refused or missing)

    return NO_THROTTLE + array(string(topic) + array(answer(topic, n) for n in numbers) for topic, numbers in topics)


def add_offsets(broker: Broker, request: Request) -> bytes:
    """Announce that a group's offsets will be part of a transaction (version 0)."""
    name = request.string()
    code = broker.transactions.check(name, request.i64(), request.i16())
    if not code:
        broker.transactions.add_offsets(name, request.string(), ())
    return NO_THROTTLE + i16(code)


def commit_offsets(broker: Broker, request: Request) -> bytes:
    """Put a group's offsets into a transaction (version 0)."""
    name, group = request.string(), request.string()
    code = broker.transactions.check(name, request.i64(), request.i16())
    accepted: list[tuple[Partition, Committed]] = []

    def partition(topic: str) -> bytes:
        number, offset, note = request.i32(), request.i64(), request.string()
        accepted.append(((topic, number), Committed(offset, note)))
        return i32(number) + i16(code)

    def of_topic() -> bytes:
        topic = request.string()
        return string(topic) + array(request.array(lambda: partition(topic)))

    answer = array(request.array(of_topic))
    if not code:
        broker.transactions.add_offsets(name, group, accepted)
    return NO_THROTTLE + answer


def end_transaction(broker: Broker, request: Request) -> bytes:
    """Commit or abort (version 0)."""
    name = request.string()
    code = broker.transactions.check(name, request.i64(), request.i16())
    commit = bool(request.i8())
    return NO_THROTTLE + i16(code or broker.transactions.end(name, commit=commit))
