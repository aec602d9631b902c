"""How two workers share the tests: those that are held to no deadline in one, beside all others, one after the other.

What waits for sockets and processes is held to deadlines, so it never runs beside its like: it is one scope, of one
worker, in its usual order. The other worker takes the rest file by file, and yields the processor wherever it can.
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
_GATEWAY: Final = "tests/services/gateway/"
PATIENT: Final = tuple(
    _GATEWAY + path
    for path in (
        "access/test_idempotency.py",
        "access/test_keys_api.py",
        "access/test_people_api.py",
        "contracts/",
        "exporting/",
        "operations/",
        "projections/",
        "security/test_a10_route_walk.py",
        "security/test_f02",
        "security/test_f06",
        "security/test_f11",
        "security/test_f12",
        "security/test_f14",
        "security/test_s03",
        "security/test_s07_private",
        "security/test_s1_",
        "security/test_s24",
        "store/",
        "surfaces/test_cutting.py",
        "surfaces/test_gpt_actions.py",
        "surfaces/test_rest_replies.py",
        "surfaces/test_rpc_calls.py",
        "surfaces/test_surface_faults.py",
        "test_gateway_projections.py",
        "test_gateway_routes.py",
    )
)
"""Beginnings of paths: tests that call in process, over stores of their own; slow is as good as quick."""
_BESIDE: Final = CLOCKLESS + PATIENT
_BACKGROUND: Final = 15
"""As `nice` counts: what is held to a deadline has the processor first."""


def by_the_clock(nodeid: str) -> bool:
    """Return whether a test is held to deadlines: it waits for sockets, threads or processes."""
    return not nodeid.startswith(_BESIDE)


class Beside(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """A file is a scope, but everything that is held to deadlines is one."""

    def _split_scope(self, nodeid: str) -> str:
        return "by the clock" if by_the_clock(nodeid) else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Share the tests so, where there are workers at all (`pytest -n 2`)."""
    return Beside(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Step back for the other worker, from the first test on that may."""
    if "PYTEST_XDIST_WORKER" in os.environ and not by_the_clock(item.nodeid):
        os.nice(max(0, _BACKGROUND - os.nice(0)))
    return (yield)
