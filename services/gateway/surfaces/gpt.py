"""GET /v1/gpt/{name}: the operations that assistants are offered, flat and short, and the document of them."""

from collections.abc import Iterable
from functools import partial
from typing import Any, Final

import msgspec
from litestar.handlers import HTTPRouteHandler

from services.gateway.access.guard import Guard
from services.gateway.contracts.gpt import PATH, gpt_document, offered
from services.gateway.contracts.openapi import VERSION
from services.gateway.operations.call import check_scope
from services.gateway.operations.desk import Caller, Desk
from services.gateway.operations.operation import Operation
from services.gateway.surfaces.assisting import Offer
from services.gateway.surfaces.documents import document_at
from services.gateway.surfaces.given import query_fields
from services.gateway.surfaces.programs import program

DOCUMENT: Final = "/gpt/openapi.json"


def gpt_routes(
    operations: Iterable[Operation[Any, Any]], desk: Desk, guard: Guard, *, public_url: str
) -> list[HTTPRouteHandler]:
    """Return a handler for each operation that assistants are offered, and their document's."""
    rows = offered(operations)
    document = partial(gpt_document, rows, server=public_url, version=VERSION)
    return [*(_handler(one, desk, guard) for one in rows), document_at(DOCUMENT, document)]


def _handler(operation: Operation[Any, Any], desk: Desk, guard: Guard) -> HTTPRouteHandler:
    offer = Offer(operation)

    async def answer(caller: Caller, scope: Any, receive: Any) -> bytes:
        del receive  # a GET has no body
        check_scope(caller, operation)
        given = query_fields(operation.params, {}, scope["query_string"])
        return msgspec.json.encode(await offer.answer(desk, caller, given, texts=True))

    return program(PATH + operation.name, "GET", guard, answer)
