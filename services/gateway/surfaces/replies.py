"""Answers as bytes on their way out: heads and bodies in, ASGI messages out; tags, and what did not change since."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

from services.gateway.operations.operation import Download
from services.gateway.problems import MEDIA_TYPE, Problem

Header = tuple[bytes, bytes]

JSON: Final = b"application/json"
PROBLEM: Final = MEDIA_TYPE.encode()
NO_STORE: Final = (b"cache-control", b"no-store")


def tag(body: bytes) -> str:
    """Return the strong entity tag of a body: equal for equal bytes only."""
    return f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def unchanged(headers: Iterable[Header], etag: str) -> bool:
    """Tell whether `If-None-Match` names `etag`; compared weakly, as RFC 9110 wants it for reads."""
    sent = next((value for name, value in headers if name == b"if-none-match"), None)
    if sent is None:
        return False
    if sent.strip() == b"*":
        return True
    return any(one.strip().removeprefix(b"W/") == etag.encode() for one in sent.split(b","))


def lines(fields: Mapping[str, str]) -> list[Header]:
    """Return fields as ASGI wants them."""
    return [(name.lower().encode("latin-1"), value.encode("latin-1", "replace")) for name, value in fields.items()]


async def reply(send: Any, status: int, body: bytes, headers: Iterable[Header], *, bare: bool = False) -> None:
    """Send a whole answer; `bare`: its head only, for HEAD."""
    head = [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": b"" if bare else body, "more_body": False})


async def nothing(send: Any, status: int, headers: Iterable[Header]) -> None:
    """Send an answer that cannot have a body: 204 or 304."""
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def refuse(send: Any, scope: Any, problem: Problem, headers: Iterable[Header] = ()) -> None:
    """Send a problem."""
    body = problem.encode(scope["path"], str(scope.get("csx.request_id", "")))
    head = [(b"content-type", PROBLEM), NO_STORE, *headers, *lines(problem.headers)]
    await reply(send, problem.status, body, head, bare=scope["method"] == "HEAD")


class CutShort(Exception):
    """A file that was begun could not be finished: the connection ends, so that nobody takes it for whole."""


async def download(send: Any, answer: Download, head: Iterable[Header], *, bare: bool) -> None:
    """Send a file as it is made.

    Raises:
        CutShort: it could not be made to its end.
    """
    headers = [
        *head,
        (b"content-type", answer.media_type.encode()),
        (b"content-disposition", f'attachment; filename="{answer.filename}"'.encode()),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if not bare:
        try:
            async for chunk in answer.chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except Exception as e:  # whatever it was: half a file must not look whole
            raise CutShort(answer.filename) from e
    await send({"type": "http.response.body", "body": b"", "more_body": False})
