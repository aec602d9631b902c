"""A vendor's socket: frames in, Metric events out; reconnected for ever, and absent with the cause while it is not."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI, ProtocolError

from libs.common.events import SECOND_NS, Origin
from libs.common.runtime.backoff import Backoff
from libs.common.runtime.clock import monotonic_s, now_ns
from services.ingest import metrics
from services.ingest.delivery.buffer import Buffer
from services.ingest.sockets.dial import dial
from services.ingest.sockets.timers import Timers
from services.ingest.sockets.vigil import Vigil
from services.ingest.vendors.coinglass_stream import CoinGlassStream
from services.ingest.vendors.vendor import RefusedError
from services.ingest.venues.terms import AnswerError

log = logging.getLogger(__name__)

REFUSED_S: Final = 6 * 3600.0
"""How long key or plan are left alone once they did not suffice."""
NO_KEY: Final = "no key"
KIND: Final = "liquidation-orders"
VENDOR: Final = "coinglass"

_HEALTHY_S: Final = 60.0
_REFUSALS: Final = frozenset({401, 402, 403})


class VendorSocket:
    """Keeps one stream connected. Its address holds the key and is neither logged nor published."""

    def __init__(
        self,
        stream: CoinGlassStream,
        buffer: Buffer,
        *,
        origin: Origin = Origin.LIVE,
        clock: Callable[[], int] = now_ns,
        backoff: Backoff | None = None,
        refused_s: float = REFUSED_S,
    ) -> None:
        """`refused_s`: seconds until a key or plan that did not suffice is tried again."""
        self._stream = stream
        self._buffer = buffer
        self._origin = origin
        self._clock = clock
        self._backoff = backoff or Backoff(initial_s=0.5, cap_s=30.0)
        self._refused_s = refused_s
        self._timers = Timers()
        self._cause: str | None = None

    async def run(self) -> None:
        """Stay connected for ever; say once a cause why nothing is heard. Without a key that is all there is to do."""
        if not self._stream.usable:
            for metric in self._stream.absent(NO_KEY, self._clock(), self._origin):
                await self._buffer.put(metric)
            return
        while True:
            began_s = monotonic_s()
            try:
                cause = await self._listen()
                wait_s = None
            except RefusedError as e:
                metrics.VENDOR_ANSWERS.labels(VENDOR, "refused").inc()
                cause, wait_s = str(e), self._refused_s
            metrics.DISCONNECTS.labels(VENDOR, "refused" if wait_s else "lost").inc()
            if monotonic_s() - began_s >= _HEALTHY_S:
                self._backoff.reset()
            if wait_s is None:
                wait_s = self._backoff.next_s()
            await self._silent(cause, wait_s)
            await asyncio.sleep(wait_s)

    async def _listen(self) -> str:
        """Live one connection; return why it ended.

        Raises:
            RefusedError: key or plan do not suffice.
        """
        try:
            async with dial(self._stream.url, self._timers) as connection:
                return await self._converse(connection)
        except InvalidStatus as e:
            status = e.response.status_code
            if status in _REFUSALS:
                raise RefusedError(f"HTTP {status} to the socket: key or plan") from e
            return f"HTTP {status} to the socket"
        except ConnectionClosed as e:
            return f"the socket was closed with {e.rcvd.code if e.rcvd else 'nothing said'}"
        except InvalidURI:
            return "the socket's address is none"  # the error itself shows the key
        except (OSError, InvalidHandshake, ProtocolError) as e:  # a timeout is an OSError
            return f"the socket cannot be reached: {type(e).__name__}"

    async def _converse(self, connection: ClientConnection) -> str:
        vigil = Vigil(self._stream.heartbeat)
        for frame in self._stream.subscribe():
            await connection.send(frame, text=True)
        reading = asyncio.ensure_future(self._read(connection, vigil))
        watching = asyncio.ensure_future(vigil.keep(lambda ping: connection.send(ping, text=True), lambda: None))
        try:
            await asyncio.wait((reading, watching), return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                await reading
            return f"the socket is {await watching}"
        finally:
            reading.cancel()
            watching.cancel()
            await asyncio.gather(reading, watching, return_exceptions=True)

    async def _read(self, connection: ClientConnection, vigil: Vigil) -> None:
        while True:
            vigil.waiting()
            frame = await connection.recv(decode=False)
            vigil.arrived()
            try:
                found = self._stream.receive(frame, self._clock(), self._origin)
            except RefusedError:
                raise
            except AnswerError as e:
                metrics.VENDOR_ANSWERS.labels(VENDOR, "unreadable").inc()
                log.warning("a vendor's frame could not be read", extra={"vendor": VENDOR, "reason": str(e)[:200]})
                continue
            self._heard()
            for metric in found:
                await self._buffer.put(metric)

    def _heard(self) -> None:
        metrics.VENDOR_ANSWERED.labels(VENDOR, KIND).set(self._clock() / SECOND_NS)
        if self._cause is not None:
            log.info("a vendor's socket speaks again", extra={"vendor": VENDOR})
            self._cause = None

    async def _silent(self, cause: str, wait_s: float) -> None:
        if cause == self._cause:
            return
        self._cause = cause
        log.warning(
            "a vendor's socket is lost: its numbers are absent until it speaks again",
            extra={"vendor": VENDOR, "reason": cause, "wait_s": round(wait_s, 1)},
        )
        for metric in self._stream.absent(cause, self._clock(), self._origin):
            await self._buffer.put(metric)
