"""Topics as they must be: creates the missing ones, verifies the others, refuses a broker that cannot serve us."""

import asyncio
import logging
from collections.abc import Iterable, Sequence

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError, KafkaError, TopicAlreadyExistsError, for_code
from msgspec import Struct

from libs.common.bus.topics import MARKET, Topic
from libs.common.runtime.backoff import Backoff
from libs.common.runtime.clock import monotonic_s
from libs.common.runtime.errors import ConfigurationError, DependencyDown

log = logging.getLogger(__name__)


class TopicsReport(Struct, frozen=True):
    """What was found and done."""

    created: tuple[str, ...]
    found: tuple[str, ...]


def verify(topics: Iterable[Topic], partitions: dict[str, int]) -> None:
    """Check the partition counts of existing topics against the table.

    Raises:
        ConfigurationError: a count differs. Unequal counts of `market.*` would tear one symbol's market apart,
            and a changed count moves keys to other partitions.
    """
    faults = [
        f"{topic.name} has {partitions[topic.name]} partitions, not {topic.partitions}"
        for topic in topics
        if topic.name in partitions and partitions[topic.name] != topic.partitions
    ]
    market = {partitions[topic.name] for topic in MARKET if topic.name in partitions}
    if len(market) > 1:
        faults.append(f"the market.* topics have unequal partition counts {sorted(market)}")
    if faults:
        raise ConfigurationError(
            "; ".join(faults) + ": delete or re-create these topics, or point CSX_KAFKA_BOOTSTRAP at another broker"
        )


async def ensure_topics(
    bootstrap: str, topics: Sequence[Topic], *, replication: int = 1, within_s: float = 30.0
) -> TopicsReport:
    """Create what is missing of `topics` and verify the rest; waits for the broker up to `within_s` seconds.

    Raises:
        DependencyDown: the broker does not answer in time.
        ConfigurationError: an existing topic differs in its number of partitions.
    """
    admin = await _connect(bootstrap, within_s)
    try:
        counts = await _partitions(admin, topics)
        verify(topics, counts)
        missing = [topic for topic in topics if topic.name not in counts]
        if missing:
            await _create(admin, missing, replication)
            log.info("created topics", extra={"topics": [topic.name for topic in missing]})
            await _settle(admin, topics, within_s)
        return TopicsReport(created=tuple(topic.name for topic in missing), found=tuple(sorted(counts)))
    finally:
        await admin.close()


async def _connect(bootstrap: str, within_s: float) -> AIOKafkaAdminClient:
    backoff = Backoff(0.2, 2.0)
    deadline_s = monotonic_s() + within_s
    while True:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=10_000)
        try:
            await admin.start()
        except (KafkaError, OSError) as e:
            await admin.close()
            if monotonic_s() > deadline_s:
                raise DependencyDown(f"no Kafka broker answers at {bootstrap}: {e}") from e
            await asyncio.sleep(backoff.next_s())
        else:
            return admin


async def _partitions(admin: AIOKafkaAdminClient, topics: Iterable[Topic]) -> dict[str, int]:
    existing = set(await admin.list_topics())
    wanted = [topic.name for topic in topics if topic.name in existing]
    if not wanted:
        return {}
    described = await admin.describe_topics(wanted)
    return {row["topic"]: len(row["partitions"]) for row in described if not row["error_code"]}


async def _create(admin: AIOKafkaAdminClient, topics: Iterable[Topic], replication: int) -> None:
    wanted = [NewTopic(topic.name, topic.partitions, replication, topic_configs=topic.config) for topic in topics]
    try:
        answer = await admin.create_topics(wanted)
    except TopicAlreadyExistsError:
        return  # another service was faster; `_settle` verifies what it made
    except KafkaConnectionError as e:
        raise DependencyDown(f"the broker went away while topics were created: {e}") from e
    for name, code, *rest in answer.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise DependencyDown(f"topic {name} could not be created: {error.__name__} {rest}")


async def _settle(admin: AIOKafkaAdminClient, topics: Sequence[Topic], within_s: float) -> None:
    deadline_s = monotonic_s() + within_s
    while True:
        counts = await _partitions(admin, topics)
        verify(topics, counts)
        if len(counts) == len({topic.name for topic in topics}):
            return
        if monotonic_s() > deadline_s:
            missing = sorted({topic.name for topic in topics} - set(counts))
            raise DependencyDown(f"topics not there after {within_s:g} s: {missing}")
        await asyncio.sleep(0.05)
