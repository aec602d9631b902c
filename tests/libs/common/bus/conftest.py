"""A broker of its own for the tests of the bus."""

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def bus_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An embedded broker that lives as long as the module; yields its host:port."""
    from deploy.local.broker.launch import EmbeddedBroker
    from deploy.local.children import free_port

    folder: Path = tmp_path_factory.mktemp("broker")
    broker = EmbeddedBroker(folder / "broker.log")
    port = free_port()
    broker.start(folder / "data", port)
    yield f"127.0.0.1:{port}"
    broker.stop()
