"""Fixtures for every test: where the recordings lie, and real stores on loopback."""

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.browser import chromium  # noqa: F401  # a fixture for every test
from tests.containers import engine_answers, kafka, postgres_container, valkey_container
from tests.workers import by_the_clock, pytest_runtest_protocol, pytest_xdist_make_scheduler  # noqa: F401  # hooks for every test

settings.register_profile(
    "csx",
    deadline=None,  # a busy machine is slow, not wrong
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="CSX_EXPLORE" not in os.environ,  # what passed passes again; `make explore` looks further
)
settings.load_profile("csx")

_SERVERS = {"postgres_dsn", "redis_url", "broker"}
"""Fixtures that are servers in processes of their own: a busy machine may let them miss a deadline."""

_ROOT = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give what waits against the wall clock a second try; the report says why and counts it as rerun."""
    for item in items:
        marked = {"slow", "native", "browser"} & {mark.name for mark in item.iter_markers()}
        if marked or by_the_clock(item.nodeid) or _SERVERS & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say why a first try failed: it is a finding, although the second passed."""
    for report in terminalreporter.getreports("rerun"):
        terminalreporter.section(f"first try of {report.nodeid}", sep="_")
        terminalreporter.line(report.longreprtext)


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The shared recordings (`CSX_TEST_DATA`, else ../shared/data); the test is skipped where there are none."""
    folder = Path(os.environ.get("CSX_TEST_DATA", _ROOT.parent / "shared" / "data"))
    if not (folder / "raw").is_dir():
        pytest.skip(f"no recordings in {folder}: set CSX_TEST_DATA")
    return folder


@pytest.fixture(scope="session")
def store_dir() -> Iterator[Path]:
    """A directory that a server running as `nobody` can walk to, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="csx-test-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder


@pytest.fixture(scope="session")
def postgres_dsn(store_dir: Path) -> Iterator[str]:
    """The database of a PostgreSQL server that lives as long as the session; shared by all its tests.

    A container where a Docker engine answers, else the wheel's server on this machine.
    """
    if engine_answers():
        with postgres_container() as dsn:
            yield dsn
        return
    from deploy.local.children import free_port
    from deploy.local.postgres import EmbeddedPostgres

    server = EmbeddedPostgres(durable=False)
    yield server.start(store_dir, free_port())
    server.stop()


@pytest.fixture
async def fresh_dsn(postgres_dsn: str) -> AsyncIterator[str]:
    """An empty database on that server, for one test alone."""
    import asyncpg

    name = f"test_{os.urandom(6).hex()}"
    admin = await asyncpg.connect(postgres_dsn)
    try:
        await admin.execute(f"CREATE DATABASE {name}")
        yield postgres_dsn.rpartition("/")[0] + f"/{name}"
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await admin.close()


@pytest.fixture(scope="session")
def redis_url(store_dir: Path) -> Iterator[str]:
    """A Valkey server that lives as long as the session; shared by all its tests. Container or wheel, as above."""
    if engine_answers():
        with valkey_container() as url:
            yield url
        return
    from deploy.local.children import free_port
    from deploy.local.valkey import EmbeddedValkey

    server = EmbeddedValkey()
    yield server.start(store_dir, free_port())
    server.stop()


@pytest.fixture
async def fresh_redis_url(redis_url: str) -> str:
    """The same server, emptied before the test."""
    from redis.asyncio import Redis

    client = Redis.from_url(redis_url)
    await client.flushall()
    await client.aclose()
    return redis_url


@pytest.fixture(scope="module")
def embedded_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The bootstrap address of an embedded broker that lives as long as the module and creates topics by itself."""
    from deploy.local.broker.launch import EmbeddedBroker
    from deploy.local.children import free_port

    server = EmbeddedBroker(options=["--auto-create"])
    yield server.start(tmp_path_factory.mktemp("broker"), free_port())
    server.stop()


@pytest.fixture(scope="session")
def kafka_container() -> Iterator[str]:
    """The bootstrap address of Apache Kafka in a container; skips where no Docker engine answers."""
    if not engine_answers():
        pytest.skip("no Docker engine answers: Apache Kafka runs natively instead")
    with kafka() as bootstrap:
        yield bootstrap


@pytest.fixture(scope="session")
def apache_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The bootstrap address of a real Apache Kafka; skips without jars or a JVM, fails if CSX_REQUIRE_NATIVE=1."""
    from deploy.local.children import ChildError, free_port
    from deploy.local.kafka import ApacheKafka, fetch, java

    try:
        fetch()
        java()
    except ChildError as e:
        if os.environ.get("CSX_REQUIRE_NATIVE") == "1":
            raise
        pytest.skip(f"no Apache Kafka here: {e}")
    server = ApacheKafka(settings={"auto.create.topics.enable": "true"})
    yield server.start(tmp_path_factory.mktemp("kafka"), free_port())
    server.stop()
