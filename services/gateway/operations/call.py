"""The one way to an operation, for every surface: scope, limits, time, then the work."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct

from services.gateway.access.principal import Way
from services.gateway.operations.desk import Caller, Desk
from services.gateway.operations.operation import Kept, Operation
from services.gateway.problems import Problem, field_problem

log = logging.getLogger(__name__)

P = TypeVar("P", bound=Struct)
A = TypeVar("A")

_encode: Final = msgspec.json.Encoder().encode


async def call(desk: Desk, caller: Caller, operation: Operation[P, A], params: P) -> A:
    """Return the operation's answer.

    Raises:
        Problem: not signed in, not allowed, beyond a limit, out of time, or what the operation says.
    """
    with _counted(desk, caller, operation):
        await admit(desk, caller, operation)
        return await perform(desk, caller, operation, params)


async def call_encoded(desk: Desk, caller: Caller, operation: Operation[P, A], params: P) -> Kept:
    """Return the operation's answer as JSON; one that may be shared is made once for all who ask at the same time.

    Raises:
        Problem: as `call`.
    """
    with _counted(desk, caller, operation):
        await admit(desk, caller, operation)
        make = partial(_encoded, desk, caller, operation, params)
        if operation.freshness is None or desk.cache is None:
            return Kept(await make())
        return await desk.cache.answer(operation, params, make)


@contextmanager
def _counted(desk: Desk, caller: Caller, operation: Operation[Any, Any]) -> Iterator[None]:
    """Count the call as a use of its key, by how it ends."""
    status = 500
    try:
        yield
        status = operation.status
    except Problem as e:
        status = e.status
        raise
    finally:
        if desk.usage is not None:
            desk.usage.count(caller.principal, operation.name, status, operation.cost)


async def _encoded(desk: Desk, caller: Caller, operation: Operation[Any, Any], params: Any) -> bytes:
    return _encode(await perform(desk, caller, operation, params))


async def admit(desk: Desk, caller: Caller, operation: Operation[Any, Any]) -> None:
    """Let pass who may, within their limits.

    Raises:
        Problem: not signed in, not allowed, or beyond a limit.
    """
    check_scope(caller, operation)
    if desk.gate is not None:
        await desk.gate.admit(caller, operation)


def check_scope(caller: Caller, operation: Operation[Any, Any]) -> None:
    """Let pass who may.

    Raises:
        Problem: `unauthenticated` for nobody, `forbidden` for somebody.
    """
    if caller.principal.may(operation.scope):
        return
    if caller.principal.way is Way.ANONYMOUS and not caller.principal.credential:
        raise field_problem("unauthenticated", "Authorization", "send an API key: Bearer csx_live_...")
    raise Problem("forbidden", f"this needs the scope {operation.scope}")


async def perform(desk: Desk, caller: Caller, operation: Operation[P, A], params: P) -> A:
    """Do the work of an admitted call within its time.

    Raises:
        Problem: `time_exceeded`, or what the operation says.
    """
    task = asyncio.create_task(_work(desk, caller, operation, params), name="operation")
    try:
        await asyncio.wait({task}, timeout=operation.timeout_s)
        if task.done():
            return task.result()
    except TimeoutError as e:
        raise _late(operation) from e
    finally:
        if not task.done():  # nobody waits for its end: a driver whose server hangs takes seconds to give up
            task.add_done_callback(_forget)
            task.cancel()
    raise _late(operation)


async def _work(desk: Desk, caller: Caller, operation: Operation[P, A], params: P) -> A:
    if operation.read is not None:
        return await operation.read(desk, caller, params)
    assert operation.write is not None, "an operation reads or writes"
    if desk.ledger is None:
        raise Problem("dependency_down", "nothing is written here")
    work = partial(_write, operation, desk, caller, params)
    answer: A = await desk.ledger.once(caller, operation, params, work)
    return answer


def _late(operation: Operation[Any, Any]) -> Problem:
    return Problem("time_exceeded", f"there was no answer within {operation.timeout_s:g} s; try again")


def _forget(task: "asyncio.Task[Any]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.info("work that nobody waits for failed", extra={"error": repr(error)})


async def _write(operation: Operation[Any, Any], desk: Desk, caller: Caller, params: Any, connection: Any) -> Any:
    assert operation.write is not None, "only writes come here"
    return await operation.write(desk, caller, connection, params)
