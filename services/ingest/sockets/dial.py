"""An address in, an open WebSocket out, set up so that a peer that is gone is noticed."""

import contextlib
import logging
import socket as sockets
from collections.abc import AsyncIterator, Sequence
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from services.ingest.sockets.timers import Timers
from services.ingest.venues.terms import Header

MAX_FRAME_BYTES: Final = 32 * 2**20
"""Sessions refuse what is above `FRAME_LIMIT` and live on; above this the library ends the connection with 1009."""

_library: Final = logging.getLogger(f"{__name__}.library")
_library.setLevel(logging.INFO)  # at DEBUG it writes every header down, keys included


class _Connect(connect):
    """The library's, that carries a key to no other address."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc if self.additional_headers else super().process_redirect(exc)


@contextlib.asynccontextmanager
async def dial(url: str, timers: Timers, headers: Sequence[Header] = ()) -> AsyncIterator[ClientConnection]:
    """Open `url` with `headers` in the upgrade, and close it behind the block.

    Raises:
        TimeoutError, OSError, InvalidHandshake, InvalidURI, ProtocolError: as the library's `connect`.
    """
    async with _Connect(
        url,
        additional_headers=[(header.name, header.value) for header in headers],
        logger=_library,
        compression=None,
        open_timeout=timers.connect_s,
        close_timeout=timers.close_s,
        ping_interval=None,  # the venue's own heartbeat decides, see `vigil`
        max_size=MAX_FRAME_BYTES,
    ) as connection:
        _keep_alive(connection)
        yield connection


def ending(closed: ConnectionClosed) -> str:
    """Return the cause: `oversize` (a frame above `MAX_FRAME_BYTES`), `closed` by the venue, else `disconnect`."""
    if closed.sent is not None and closed.sent.code == CloseCode.MESSAGE_TOO_BIG:
        return "oversize"
    return "closed" if closed.rcvd is not None else "disconnect"


def _keep_alive(connection: ClientConnection) -> None:
    """Have the kernel notice a peer that is gone, also while we send nothing."""
    raw = connection.transport.get_extra_info("socket")
    if raw is None:
        return
    options = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4, "TCP_USER_TIMEOUT": 30_000}
    with contextlib.suppress(OSError):
        raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_KEEPALIVE, 1)
        for name, value in options.items():
            if hasattr(sockets, name):  # not every system has all of them
                raw.setsockopt(sockets.IPPROTO_TCP, getattr(sockets, name), value)
