"""Files that change with the release only: packed once, sent packed to who takes that, with a tag of each form."""

import gzip
from typing import Any, Final

from services.gateway.surfaces.replies import Header, nothing, reply, tag, unchanged

_PACKED_FROM: Final = 1024
"""Bytes below which packing does not pay."""


class File:
    """A body in both forms."""

    def __init__(self, body: bytes, kind: str) -> None:
        packed = gzip.compress(body, 9, mtime=0) if len(body) >= _PACKED_FROM else body
        common: list[Header] = [(b"cache-control", b"no-cache"), (b"vary", b"Accept-Encoding")]
        self._kind = (b"content-type", kind.encode())
        self._forms = {
            False: (body, tag(body), common),
            True: (packed, tag(packed), [*common, (b"content-encoding", b"gzip")] if packed is not body else common),
        }

    async def __call__(self, scope: Any, send: Any) -> None:
        """Send it, or 304."""
        body, etag, common = self._forms[_takes_gzip(scope["headers"])]
        head = [(b"etag", etag.encode()), *common]
        if unchanged(scope["headers"], etag):
            await nothing(send, 304, head)
        else:
            await reply(send, 200, body, [self._kind, *head], bare=scope["method"] == "HEAD")


def _takes_gzip(headers: list[Header]) -> bool:
    said = b",".join(value for name, value in headers if name == b"accept-encoding").lower()
    for one in said.split(b","):
        name, _, weight = one.partition(b";")
        if name.strip() == b"gzip":
            return weight.strip().replace(b" ", b"") not in {b"q=0", b"q=0.0", b"q=0.00", b"q=0.000"}
    return False
