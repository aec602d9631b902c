"""A perimeter around a small application that says what reached it."""

import json
from typing import Any

import httpx

from services.gateway.perimeter.perimeter import Perimeter, Rules


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer with what came: the body's length, the client's address, the ids."""
    body, more = b"", scope["method"] not in {"GET", "HEAD", "OPTIONS"}
    while more:
        message = await receive()
        body += message["body"]
        more = message["more_body"]
    said = {"length": len(body), "address": scope["csx.address"], "id": scope["csx.request_id"]}
    headers = [(b"content-type", b"application/json"), (b"set-cookie", b"a=b")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(said).encode(), "more_body": False})


def client(rules: Rules | None = None, *, app: Any = echo, peer: str = "127.0.0.1") -> httpx.AsyncClient:
    """A client of the perimeter."""
    transport = httpx.ASGITransport(app=Perimeter(app, rules), client=(peer, 4711))
    return httpx.AsyncClient(transport=transport, base_url="http://desk.example")
