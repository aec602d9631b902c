"""The table of what this broker speaks: API key to name, versions and handler; everything else is refused.

Only versions without the "flexible" encoding: what aiokafka and librdkafka negotiate down to.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Final, TypeAlias

from deploy.local.broker import data_api, group_api, topic_api, transaction_api
from deploy.local.broker.broker import Broker
from deploy.local.broker.codes import Code
from deploy.local.broker.wire import NO_THROTTLE, Request, array, i16

Answer: TypeAlias = bytes | Coroutine[None, None, bytes] | None
"""The body now, later, or (acks=0) never."""

API_VERSIONS: Final = 18


@dataclass(frozen=True, slots=True)
class Api:
    """One kind of request, in the versions `first` to `last`."""

    name: str
    first: int
    last: int
    handle: Callable[[Broker, Request], Answer]


def _api_versions(_: Broker, request: Request) -> bytes:
    return versions(Code.NONE, request.version)


def versions(code: Code, version: int) -> bytes:
    """Return the ApiVersions body of `version`; with an error code it is always that of version 0."""
    listed = array(i16(key) + i16(api.first) + i16(api.last) for key, api in APIS.items())
    return i16(code) + listed + (NO_THROTTLE if version >= 1 else b"")


APIS: Final[dict[int, Api]] = {
    0: Api("Produce", 3, 8, data_api.produce),
    1: Api("Fetch", 4, 11, data_api.fetch),
    2: Api("ListOffsets", 1, 3, data_api.list_offsets),
    3: Api("Metadata", 1, 5, topic_api.metadata),
    8: Api("OffsetCommit", 2, 3, group_api.offset_commit),
    9: Api("OffsetFetch", 1, 3, group_api.offset_fetch),
    10: Api("FindCoordinator", 0, 1, group_api.find_coordinator),
    11: Api("JoinGroup", 0, 5, group_api.join_group),
    12: Api("Heartbeat", 0, 3, group_api.heartbeat),
    13: Api("LeaveGroup", 0, 1, group_api.leave_group),
    14: Api("SyncGroup", 0, 3, group_api.sync_group),
    15: Api("DescribeGroups", 0, 2, group_api.describe_groups),
    16: Api("ListGroups", 0, 2, group_api.list_groups),
    API_VERSIONS: Api("ApiVersions", 0, 2, _api_versions),
    19: Api("CreateTopics", 0, 3, topic_api.create_topics),
    20: Api("DeleteTopics", 0, 3, topic_api.delete_topics),
    21: Api("DeleteRecords", 0, 1, topic_api.delete_records),
    22: Api("InitProducerId", 0, 1, transaction_api.init_producer_id),
    24: Api("AddPartitionsToTxn", 0, 0, transaction_api.add_partitions),
    25: Api("AddOffsetsToTxn", 0, 0, transaction_api.add_offsets),
    26: Api("EndTxn", 0, 0, transaction_api.end_transaction),
    28: Api("TxnOffsetCommit", 0, 0, transaction_api.commit_offsets),
    32: Api("DescribeConfigs", 0, 2, topic_api.describe_configs),
    37: Api("CreatePartitions", 0, 1, topic_api.create_partitions),
    42: Api("DeleteGroups", 0, 1, group_api.delete_groups),
}
