"""A WebSocket that the server keeps: its ASGI messages in and out, for connections that it alone can read."""

import asyncio
from typing import Any

from services.gateway.access.principal import Principal
from services.gateway.stream.closing import Close
from services.gateway.stream.lines import QueuedLine
from services.gateway.stream.opening import Sessions
from services.gateway.stream.taking import MAX_TEXT


async def relay(
    sessions: Sessions,
    principal: Principal | None,
    address: str,
    receive: Any,
    send: Any,
    refusal: tuple[int, str] | None,
) -> None:
    """Serve an accepted connection until it ends."""

    async def write(payload: bytes) -> None:
        await send({"type": "websocket.send", "text": payload.decode()})

    async def goodbye(code: int, reason: str) -> None:
        await send({"type": "websocket.close", "code": int(code), "reason": reason[:120]})

    if refusal is None and (full := sessions.hub.refusal(address)) is not None:
        refusal = full, full.name.lower()
    if refusal is not None:
        await goodbye(*refusal)
        return

    async def leave(code: int, reason: str) -> None:
        reading.cancel()  # the server says no goodbye while somebody waits for the client's next word
        await asyncio.gather(reading, return_exceptions=True)
        await goodbye(code, reason)

    line = QueuedLine(write, leave, send_s=sessions.send_s)
    session = sessions.open(line, principal, address)
    line.room = session.client.room

    async def read() -> None:
        while (message := await receive())["type"] == "websocket.receive":
            text = message.get("text")
            payload = text.encode() if text is not None else message.get("bytes") or b""
            if len(payload) > MAX_TEXT:
                session.client.close(Close.OVERSIZE)
            else:
                session.hear(payload)
        line.abort()

    reading = asyncio.create_task(read(), name="stream reader")
    try:
        await line.pump()
    finally:
        reading.cancel()
        session.gone()
        await asyncio.gather(reading, return_exceptions=True)
