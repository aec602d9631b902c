"""An address in, an open WebSocket out, set up so that a peer that is gone is noticed."""

import contextlib
import socket as sockets
from collections.abc import AsyncIterator
from typing import Final

from websockets.asyncio.client import ClientConnection, connect

from services.ingest.timers import Timers

MAX_FRAME_BYTES: Final = 32 * 2**20
"""Sessions refuse what is above `FRAME_LIMIT` and live on; above this the library ends the connection with 1009."""


@contextlib.asynccontextmanager
async def dial(url: str, timers: Timers) -> AsyncIterator[ClientConnection]:
    """Open `url`, and close it behind the block.

    Raises:
        TimeoutError, OSError, InvalidHandshake, InvalidURI, ProtocolError: as the library's `connect`.
    """
    async with connect(
        url,
        compression=None,
        open_timeout=timers.connect_s,
        close_timeout=timers.close_s,
        ping_interval=None,  # the venue's own heartbeat decides, see `vigil`
        max_size=MAX_FRAME_BYTES,
    ) as connection:
        _keep_alive(connection)
        yield connection


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
