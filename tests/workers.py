"""How two workers share the tests: those that read no clock in one, beside all others, which go one after the other.

What waits for sockets, processes and stores is held to deadlines, so it never runs beside its like: it is one scope, of
one worker, in its usual order. The other worker takes the rest file by file, and yields the processor wherever it can.
"""

import os
from collections.abc import Iterator
from typing import Final

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

CLOCKLESS: Final = (
    "tests/architecture/",
    "tests/deploy/local/sandbox/test_sandbox_market.py",
    "tests/deploy/proving/test_causality.py",
    "tests/libs/common/events/",
    "tests/services/alerts/policy/",
    "tests/services/ingest/vendors/",
    "tests/services/ingest/venues/",
    "tests/services/ingest/recording/test_normalize",
    "tests/services/signals/engine/",
    "tests/services/signals/test_structures_command.py",
)
"""Beginnings of paths: tests of pure packages and of files that are read. They open no port and wait for nothing."""
_BACKGROUND: Final = 15
"""As `nice` counts: what is held to a deadline has the processor first."""


class Beside(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """A file is a scope, but everything that reads a clock is one."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.partition("::")[0] if nodeid.startswith(CLOCKLESS) else "by the clock"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Share the tests so, where there are workers at all (`pytest -n 2`)."""
    return Beside(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Step back for the other worker, from the first test on that may."""
    if "PYTEST_XDIST_WORKER" in os.environ and item.nodeid.startswith(CLOCKLESS):
        os.nice(max(0, _BACKGROUND - os.nice(0)))
    return (yield)
