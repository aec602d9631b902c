"""The contract of a broker, administration: topics, settings, the cluster and its groups can be seen and changed."""

import asyncio

from aiokafka import TopicPartition
from aiokafka.admin import NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType


async def test_an_unknown_topic_is_created_with_the_default_partitions(clients, topic):
    producer = await clients.producer()
    assert await producer.partitions_for(topic) == {0, 1, 2, 3}


async def test_a_topic_is_created_as_asked(clients, topic):
    admin = await clients.admin()
    await admin.create_topics([NewTopic(topic, 6, 1, topic_configs={"retention.ms": "3600000"})])
    producer = await clients.producer()
    assert await producer.partitions_for(topic) == set(range(6))


async def test_topics_are_listed_and_described(clients, topic):
    admin = await clients.admin()
    await admin.create_topics([NewTopic(topic, 2, 1)])
    async with asyncio.timeout(20):  # Apache Kafka lists what it has created a moment later
        while topic not in await admin.list_topics():  # noqa: ASYNC110  (the fact is the broker's)
            await asyncio.sleep(0.02)
    (described,) = await admin.describe_topics([topic])
    assert (described["error_code"], len(described["partitions"])) == (0, 2)


async def test_the_cluster_is_described(clients):
    admin = await clients.admin()
    (node,) = (await admin.describe_cluster())["brokers"]
    assert f"{node['host']}:{node['port']}" == clients.bootstrap


async def test_settings_given_at_creation_are_shown(clients, topic):
    admin = await clients.admin()
    given = {"retention.ms": "3600000", "cleanup.policy": "compact,delete", "retention.bytes": "1000000"}
    await admin.create_topics([NewTopic(topic, 1, 1, topic_configs=given)])
    (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    ((code, _, _, name, entries),) = answer.resources
    shown = {entry[0]: entry[1] for entry in entries}
    assert (code, name) == (0, topic)
    assert {setting: shown[setting] for setting in given} == given


async def test_a_topic_is_deleted(clients, topic):
    admin = await clients.admin()
    await admin.create_topics([NewTopic(topic, 1, 1)])
    answer = await admin.delete_topics([topic])
    assert [tuple(row)[:2] for row in answer.topic_error_codes] == [(topic, 0)]
    assert topic not in await admin.list_topics()


async def test_groups_and_their_offsets_are_listed_and_described(clients, topic, group, drain):
    producer = await clients.producer()
    await producer.send_and_wait(topic, b"x", partition=0)
    consumer = await clients.consumer(topic, group_id=group)
    await drain(consumer, 1)
    await consumer.commit()
    admin = await clients.admin()
    offsets = await admin.list_consumer_group_offsets(group)
    assert offsets[TopicPartition(topic, 0)].offset == 1
    assert group in {row[0] for row in await admin.list_consumer_groups()}
    (answer,) = await admin.describe_consumer_groups([group])
    ((code, name, state, _, _, members, *_),) = answer.groups
    assert (code, name, state, len(members)) == (0, group, "Stable", 1)


async def test_partitions_are_added_and_records_deleted(clients, topic, drain):
    admin = await clients.admin()
    await admin.create_topics([NewTopic(topic, 1, 1)])
    producer = await clients.producer()
    for i in range(10):
        await producer.send_and_wait(topic, b"%d" % i, partition=0)
    await admin.create_partitions({topic: NewPartitions(3)})
    assert len((await admin.describe_topics([topic]))[0]["partitions"]) == 3
    part = TopicPartition(topic, 0)
    assert await admin.delete_records({part: RecordsToDelete(4)}) == {part: 4}
    reader = await clients.consumer(topic)
    assert [int(record.value) for record in await drain(reader, 6)] == [4, 5, 6, 7, 8, 9]
    assert await reader.beginning_offsets([part]) == {part: 4}
