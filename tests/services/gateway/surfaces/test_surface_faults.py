"""What a fault below is said to be: a store that is away is worth another try, a failed statement of ours is not."""

import asyncpg
import pytest
from redis.exceptions import ConnectionError as RedisAway

from services.gateway.surfaces.faults import problem_of


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(),
        TimeoutError(),
        RedisAway("away"),
        asyncpg.InterfaceError("closed"),
        asyncpg.CannotConnectNowError("starting"),
        asyncpg.TooManyConnectionsError("full"),
        asyncpg.DeadlockDetectedError("two"),
        asyncpg.AdminShutdownError("bye"),
    ],
)
def test_a_store_that_is_away_is_503(error):
    assert (problem_of(error, "r").status, problem_of(error, "r").code) == (503, "dependency_down")


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.DataError("value out of int32 range"),
        asyncpg.UniqueViolationError("twice"),
        asyncpg.PostgresSyntaxError("SELEC"),
        asyncpg.UndefinedTableError("gone"),
        KeyError("x"),
    ],
)
def test_a_fault_of_ours_is_500_and_logged(error, caplog):
    problem = problem_of(error, "req-7")
    assert (problem.status, problem.code) == (500, "internal")
    assert caplog.records[0].request_id == "req-7"
    assert str(error) not in problem.detail
