"""Servers in containers, for machines on which a Docker engine answers; elsewhere the same servers run natively."""

import functools
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager


@functools.cache
def engine_answers() -> bool:
    """Whether there is a Docker engine to talk to, not only its client."""
    if shutil.which("docker") is None:
        return False
    try:
        done = subprocess.run(
            ["docker", "info", "--format", "{{.ServerVersion}}"],
            capture_output=True,
            timeout=10,
            check=False,
            text=True,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0 and bool(done.stdout.strip())


@contextmanager
def postgres_container() -> Iterator[str]:
    """PostgreSQL as docker-compose.yml has it; yields a DSN."""
    from testcontainers.postgres import PostgresContainer

    with PostgresContainer("postgres:18.4-bookworm", username="csx", password="csx", dbname="csx") as server:
        yield f"postgresql://csx:csx@{server.get_container_host_ip()}:{server.get_exposed_port(5432)}/csx"


@contextmanager
def valkey_container() -> Iterator[str]:
    """Valkey as docker-compose.yml has it; yields a URL."""
    from testcontainers.redis import RedisContainer

    with RedisContainer("valkey/valkey:9.1.2-bookworm") as server:
        yield f"redis://{server.get_container_host_ip()}:{server.get_exposed_port(6379)}/0"


@contextmanager
def kafka() -> Iterator[str]:
    """Apache Kafka (KRaft); yields its bootstrap address."""
    from testcontainers.kafka import KafkaContainer

    with KafkaContainer("apache/kafka:4.3.1").with_kraft() as server:
        yield server.get_bootstrap_server()
