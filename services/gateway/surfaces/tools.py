"""POST /mcp: the tools of assistants; the protocol's library is loaded when the first of them comes."""

import asyncio
import importlib
from collections.abc import Iterable
from typing import Any, Final

from litestar.handlers import HTTPRouteHandler

from services.gateway.access.guard import Guard
from services.gateway.contracts.tools import tools
from services.gateway.operations.desk import Caller, Desk
from services.gateway.operations.operation import Operation
from services.gateway.surfaces.assisting import Offer
from services.gateway.surfaces.programs import Talk, conversation

_LIBRARY: Final = "services.gateway.surfaces.mcp"


def mcp_route(
    operations: Iterable[Operation[Any, Any]], desk: Desk, guard: Guard, *, writes: bool = False
) -> HTTPRouteHandler:
    """Return the handler of the tools; those that change anything are there where `writes` says so."""
    offers = {name: Offer(one) for name, one in tools(operations, writes=writes).items()}
    loading: list[asyncio.Task[Talk]] = []

    async def load() -> Talk:
        library = await asyncio.to_thread(importlib.import_module, _LIBRARY)
        answering: Talk = library.Tools(offers, desk).talk
        return answering

    async def talk(caller: Caller, scope: Any, receive: Any, send: Any) -> None:
        if not loading:
            loading.append(asyncio.create_task(load(), name="tools of assistants"))
        answering = await asyncio.shield(loading[0])  # who gives up does not end it for those who wait
        await answering(caller, scope, receive, send)

    return conversation("/mcp", "POST", guard, talk)
