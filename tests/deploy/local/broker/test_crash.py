"""The broker as a process: SIGKILL under load loses nothing acknowledged, processes share, SIGTERM is clean."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from deploy.local.broker.launch import EmbeddedBroker
from deploy.local.children import ChildError, free_port, is_open

_CONSUMER = """
import asyncio, sys
from aiokafka import AIOKafkaConsumer
async def main():
    consumer = AIOKafkaConsumer(sys.argv[1], bootstrap_servers=sys.argv[2], group_id=sys.argv[3],
                                session_timeout_ms=6000, heartbeat_interval_ms=200)
    await consumer.start()
    shown = None
    while True:
        await consumer.getmany(timeout_ms=50)
        now = ",".join(sorted(str(part.partition) for part in consumer.assignment()))
        if now != shown:
            print(now, flush=True)
            shown = now
asyncio.run(main())
"""


@pytest.fixture
def broker(tmp_path):
    """A broker process; the test may kill and start it again on the same port."""
    server = EmbeddedBroker(options=["--auto-create"])
    yield server
    server.stop()


async def test_sigkill_under_load_loses_nothing_acknowledged_and_doubles_nothing(broker, tmp_path):
    port = free_port()
    address = broker.start(tmp_path, port)
    producer = AIOKafkaProducer(
        bootstrap_servers=address, enable_idempotence=True, retry_backoff_ms=50, metadata_max_age_ms=1000
    )
    await producer.start()
    acknowledged: list[int] = []
    stopping = asyncio.Event()

    async def load() -> None:
        i = 0
        while not stopping.is_set():
            try:
                await producer.send_and_wait("t", b"%d" % i, partition=0)
                acknowledged.append(i)
            except KafkaError:
                await asyncio.sleep(0.05)
            i += 1

    loading = asyncio.create_task(load())
    for _ in range(3):
        before = len(acknowledged)
        async with asyncio.timeout(30):
            while len(acknowledged) < before + 500:  # noqa: ASYNC110 - progress is what is waited for
                await asyncio.sleep(0.01)
        os.kill(broker.pid, signal.SIGKILL)
        broker.stop()
        broker.start(tmp_path, port)
    stopping.set()
    await asyncio.wait_for(loading, 30)
    await producer.stop()
    consumer = AIOKafkaConsumer("t", bootstrap_servers=address, auto_offset_reset="earliest")
    await consumer.start()
    end = (await consumer.end_offsets([TopicPartition("t", 0)]))[TopicPartition("t", 0)]
    found: list[int] = []
    async with asyncio.timeout(30):
        while len(found) < end:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += [int(record.value) for record in records]
    await consumer.stop()
    assert len(acknowledged) > 1500
    assert set(acknowledged) <= set(found)
    assert found == sorted(set(found)), "in order, and each once"


async def test_a_transaction_open_at_the_crash_is_aborted_and_its_producer_fenced(broker, tmp_path):
    port = free_port()
    address = broker.start(tmp_path, port)
    crashed = AIOKafkaProducer(bootstrap_servers=address, transactional_id="tx")
    await crashed.start()
    await crashed.begin_transaction()
    await crashed.send_and_wait("t", b"lost", partition=0)
    os.kill(broker.pid, signal.SIGKILL)
    broker.stop()
    broker.start(tmp_path, port)
    with pytest.raises(KafkaError):
        await crashed.commit_transaction()
    following = AIOKafkaProducer(bootstrap_servers=address, transactional_id="tx")
    await following.start()
    async with following.transaction():
        await following.send_and_wait("t", b"kept", partition=0)
    consumer = AIOKafkaConsumer(
        "t", bootstrap_servers=address, auto_offset_reset="earliest", isolation_level="read_committed"
    )
    await consumer.start()
    record = await asyncio.wait_for(consumer.getone(), 10)
    assert record.value == b"kept"
    for client in (consumer, following, crashed):
        await client.stop()


def _lines(process: "subprocess.Popen[str]", log: Path) -> list[str]:
    assert process.poll() is None, f"a member crashed: {log.read_text()}"
    return log.read_text().splitlines()


@pytest.mark.parametrize("members", [2, 3])
def test_members_that_start_as_processes_share_all_partitions(broker, tmp_path, members):
    address = broker.start(tmp_path, free_port())
    processes = []
    try:
        for i in range(members):
            with (tmp_path / f"{i}.log").open("w") as log:
                command = [sys.executable, "-u", "-c", _CONSUMER, "t", address, "g"]
                processes.append(subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, text=True))
        end, owned = time.monotonic() + 40, [""]
        while sorted(",".join(owned).split(",")) != ["0", "1", "2", "3"] or "" in owned:
            assert time.monotonic() < end, owned
            time.sleep(0.05)
            told = [_lines(process, tmp_path / f"{i}.log") for i, process in enumerate(processes)]
            owned = [lines[-1] if lines else "" for lines in told]
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_a_clean_stop_says_so_and_frees_the_port(broker, tmp_path):
    port = free_port()
    broker.start(tmp_path, port)
    assert broker.stop() == 0
    assert not is_open(port)
    assert "stopped, everything synced" in (tmp_path / "broker.log").read_text()


def test_a_taken_port_is_one_clear_error(broker, tmp_path):
    port = free_port()
    broker.start(tmp_path, port)
    with pytest.raises(ChildError, match=f"port {port} is taken"):
        EmbeddedBroker().start(tmp_path / "other", port)


def test_nothing_is_printed_and_json_is_logged(tmp_path):
    import json

    command = [
        sys.executable,
        "-m",
        "deploy.local.broker",
        "--data-dir",
        str(tmp_path / "b"),
        "--port",
        str(free_port()),
    ]
    with subprocess.Popen(
        [*command, "--log-format", "json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        first = json.loads(process.stderr.readline())
        process.terminate()
        out, rest = process.communicate(timeout=20)
    assert (out, process.returncode) == ("", 0)
    assert first["message"].startswith("serving 127.0.0.1:")
    assert json.loads(rest.splitlines()[-1])["message"] == "stopped, everything synced"
