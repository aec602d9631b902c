"""POST /v1/rpc: operations by name with flat parameters in, one or twenty; a reply for each out, in their order.

What concerns the whole request (no JSON, no such operation, nobody signed in) is a problem and nothing was done; what
concerns one call is its reply's `error`, and the others are done.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from litestar.handlers import HTTPRouteHandler
from msgspec import Raw

from libs.common.runtime.clock import monotonic_s
from services.gateway.access.guard import Guard
from services.gateway.contracts.rpc import PATH, callable_by_name
from services.gateway.operations.call import call_encoded
from services.gateway.operations.desk import Caller, Desk
from services.gateway.operations.operation import Operation
from services.gateway.operations.parsing import parse
from services.gateway.problems import Problem, field_problem
from services.gateway.schemas.rpc import MOST_CALLS, RpcMeta, RpcReplies, RpcReply
from services.gateway.surfaces.bodies import check_kind, checked_key, idempotency_key, read_body
from services.gateway.surfaces.faults import problem_of
from services.gateway.surfaces.programs import program

_WITHIN_S: Final = 15.0
"""For a whole batch; what is not begun by then is answered `time_exceeded`."""
_REPLAYED: Final = "Idempotent-Replayed"
_OWN: Final = frozenset({"operation", "client_request_id"})


class Call(msgspec.Struct, frozen=True):
    """One call as it was sent."""

    operation: Operation[Any, Any]
    given: dict[str, Any]
    client_request_id: str | None
    key: str | None
    """What makes a repeated write one write."""


def rpc_route(operations: Iterable[Operation[Any, Any]], desk: Desk, guard: Guard) -> HTTPRouteHandler:
    """Return the handler of calls by name."""
    by_name = callable_by_name(operations)

    async def answer(caller: Caller, scope: Any, receive: Any) -> bytes:
        body = await read_body(receive)
        check_kind(body, scope["headers"])
        calls, whole = read_calls(by_name, body, idempotency_key(scope["headers"]))
        replies = await answer_calls(desk, caller, calls)
        return msgspec.json.encode(
            RpcReplies(ok=all(one.ok for one in replies), batch=replies) if whole else replies[0]
        )

    return program(PATH, "POST", guard, answer)


def read_calls(
    by_name: Mapping[str, Operation[Any, Any]], body: bytes, key: str | None = None
) -> tuple[list[Call], bool]:
    """Return the calls in a body, and whether they came as a batch.

    Args:
        by_name: what may be called.
        body: JSON.
        key: the header's idempotency key; it stands for each call that has no word of its own.

    Raises:
        Problem: 400 for what is no JSON, 422 for what is no call.
    """
    try:
        sent = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
        raise Problem("bad_request", f"the body is no JSON: {e}") from e
    if not isinstance(sent, dict):
        raise field_problem("invalid_body", "body", "must be an object")
    if "batch" not in sent or "operation" in sent:
        return [_call(by_name, sent, "", key)], False
    if extra := sorted(set(sent) - {"batch"}):
        raise field_problem("unknown_field", extra[0], "does not stand beside a batch")
    batch = sent["batch"]
    if not isinstance(batch, list) or not 1 <= len(batch) <= MOST_CALLS:
        raise field_problem("invalid_body", "batch", f"must be a list of 1 to {MOST_CALLS} calls")
    return [_call(by_name, one, f"batch[{i}].", key and f"{key}#{i}") for i, one in enumerate(batch)], True


def _call(by_name: Mapping[str, Operation[Any, Any]], sent: Any, at: str, key: str | None) -> Call:
    if not isinstance(sent, dict):
        raise field_problem("invalid_body", at.rstrip("."), "must be an object")
    if "operation" not in sent:
        raise field_problem("invalid_body", f"{at}operation", "is needed")
    operation = by_name.get(sent["operation"]) if isinstance(sent["operation"], str) else None
    if operation is None:
        raise field_problem("invalid_body", f"{at}operation", "is none that can be called: see /openapi.json")
    word: str | None = None
    if "client_request_id" in sent:
        try:
            word = checked_key(f"{at}client_request_id", sent["client_request_id"])
        except Problem as e:
            raise Problem("invalid_body", e.detail, *e.errors) from e
    given = {name: value for name, value in sent.items() if name not in _OWN}
    return Call(operation, given, word, (word or key) if operation.writes else None)


async def answer_calls(desk: Desk, caller: Caller, calls: Iterable[Call]) -> list[RpcReply]:
    """Return a reply for each call, done one after the other; the caller's headers are those of the last."""
    ends_s = monotonic_s() + _WITHIN_S
    return [await _answer(desk, caller, one, ends_s - monotonic_s()) for one in calls]


async def _answer(desk: Desk, caller: Caller, one: Call, left_s: float) -> RpcReply:
    operation, began_s = one.operation, monotonic_s()
    own = Caller(
        principal=caller.principal,
        address=caller.address,
        request_id=caller.request_id,
        idempotency_key=one.key,
    )
    data, error = None, None
    try:
        params = parse(operation.params, one.given, texts=False)
        async with asyncio.timeout(left_s):
            data = (await call_encoded(desk, own, operation, params)).body
    except TimeoutError:
        error = Problem("time_exceeded", f"the calls together took {_WITHIN_S:g} s; call it again")
    except Exception as e:  # noqa: BLE001 - whatever it was is said as a problem, and logged where it is ours
        error = problem_of(e, caller.request_id)
    replayed = own.headers.pop(_REPLAYED, None) is not None
    caller.headers.update(own.headers)
    if error is not None and "Retry-After" in error.headers:
        caller.headers["Retry-After"] = error.headers["Retry-After"]
    return RpcReply(
        ok=error is None,
        operation=operation.name,
        data=None if data is None else Raw(data),
        error=None if error is None else error.document(PATH, caller.request_id),
        meta=RpcMeta(
            request_id=caller.request_id,
            cost=operation.cost,
            took_ms=round((monotonic_s() - began_s) * 1000, 3),
            client_request_id=one.client_request_id,
            replayed=replayed,
        ),
    )
