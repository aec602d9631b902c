"""Asking operations as every surface does: texts in, the answer as JSON says it out."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from services.gateway.access.principal import ANONYMOUS
from services.gateway.operations.call import call
from services.gateway.operations.catalogue import BY_NAME
from services.gateway.operations.desk import Caller
from services.gateway.operations.parsing import parse


@pytest.fixture
def answer(gateway) -> Callable[..., Awaitable[Any]]:
    """Call an operation by its name, with its parameters as a query has them."""

    async def ask(name: str, /, **given: object) -> Any:
        operation = BY_NAME[name]
        params = parse(operation.params, {field: str(value) for field, value in given.items()}, texts=True)
        found = await call(gateway.desk, Caller(principal=ANONYMOUS), operation, params)
        return msgspec.json.decode(msgspec.json.encode(found))

    return ask


async def walk(answer: Callable[..., Awaitable[Any]], name: str, /, **given: object) -> list[Any]:
    """Follow a list's cursors to its end."""
    found: list[Any] = []
    while True:
        page = await answer(name, **given)
        found.extend(page["data"])
        if not page["has_more"]:
            assert page["next_cursor"] is None
            return found
        given["cursor"] = page["next_cursor"]
