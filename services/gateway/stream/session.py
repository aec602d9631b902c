"""One WebSocket client: texts in, texts out, from its first message to its last."""

import asyncio
import logging
import secrets
from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from libs.common.runtime.clock import now_ns
from services.gateway import metrics
from services.gateway.access.guard import Guard
from services.gateway.access.principal import ANONYMOUS, Principal
from services.gateway.board import Board
from services.gateway.outages import OUTAGES
from services.gateway.problems import FieldError, Problem, field_problem
from services.gateway.schemas.times import rfc3339
from services.gateway.stream.hub import CHANNELS, Client, Close, Hub
from services.gateway.stream.requests import Request, decode_request, text_of, topic_of
from services.gateway.stream.snapshots import snapshot_of

log = logging.getLogger(__name__)

MAX_TEXT: Final = 64 * 1024
MAX_TOPICS: Final = 100
_MAX_FAULTS: Final = 10
_SIGN_IN_S: Final = 5.0
_CHECK_KEY_S: Final = 1.0
"""The guard remembers a key for three seconds more: revocation reaches an open stream within four."""


class Wire(Protocol):
    """The connection, as the session needs it."""

    async def receive(self) -> str | None:
        """Return the next text; None: the client has gone."""

    async def send(self, text: str) -> None:
        """Send one text; returns when the connection has taken it."""

    async def close(self, code: int, reason: str) -> None:
        """Close."""


class Session:
    """A client's life from its first message to its last."""

    def __init__(
        self,
        wire: Wire,
        hub: Hub,
        board: Board,
        guard: Guard,
        *,
        heartbeat_s: float,
        send_s: float,
        clock: Callable[[], int] = now_ns,
    ) -> None:
        self._wire = wire
        self._hub = hub
        self._board = board
        self._guard = guard
        self._heartbeat_s = heartbeat_s
        self._send_s = send_s
        self._clock = clock
        self._faults = 0

    async def run(self, principal: Principal | None) -> None:
        """Serve until the client goes, or we close."""
        if principal is None:
            principal = await self._sign_in()
            if principal is None:
                await self._wire.close(Close.UNAUTHENTICATED, "an API key is needed")
                return
        client = self._hub.join()
        if client is None:
            await self._wire.close(Close.FULL, "too many clients")
            return
        client.say(self._ready(principal))
        tasks = [
            asyncio.create_task(work, name=f"stream {name}")
            for name, work in (
                ("reader", self._read(client)),
                ("writer", self._write(client)),
                ("heartbeat", self._beat(client)),
                ("key check", self._watch_key(client, principal)),
            )
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except OUTAGES as e:
            log.warning("a store does not answer: a client begins again", extra={"error": repr(e)})
            client.close(Close.RESYNC)
        finally:
            self._hub.leave(client)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if client.closing is not None:
            await self._wire.close(client.closing, client.closing.name.lower())

    async def _sign_in(self) -> Principal | None:
        if self._guard.anonymous:
            return ANONYMOUS
        try:
            async with asyncio.timeout(_SIGN_IN_S):
                text = await self._wire.receive()
            request = decode_request(text or "")
            return await self._guard.sign_in(request.key) if request.op == "auth" else None
        except (TimeoutError, msgspec.DecodeError, Problem):
            return None

    def _ready(self, principal: Principal) -> str:
        now = self._clock()
        return text_of(
            type="ready",
            session=secrets.token_hex(8),
            server_ns=now,
            server_time=rfc3339(now),
            name=principal.name,
            channels=CHANNELS,
            heartbeat_s=self._heartbeat_s,
            limits={"subscriptions": MAX_TOPICS, "message_bytes": MAX_TEXT},
        )

    async def _read(self, client: Client) -> None:
        while (text := await self._wire.receive()) is not None:
            if len(text) > MAX_TEXT:
                client.close(Close.OVERSIZE)
                return
            try:
                request = decode_request(text)
            except msgspec.DecodeError as e:
                self._fault(client, None, Problem("bad_request", f"no request: {e}"))
                continue
            try:
                await self._obey(client, request)
            except Problem as e:
                self._fault(client, request.id, e)

    async def _obey(self, client: Client, request: Request) -> None:
        match request.op:
            case "subscribe":
                await self._subscribe(client, request)
            case "unsubscribe":
                topic = topic_of(request)
                known = client.drop(topic)
                client.say(text_of(type="unsubscribed", id=request.id, known=known, **msgspec.structs.asdict(topic)))
            case "ping":
                client.say(text_of(type="pong", id=request.id, server_ns=self._clock()))
            case "auth":
                client.say(text_of(type="error", id=request.id, code="bad_request", detail="already signed in"))
            case _:
                raise field_problem("invalid_parameter", "op", "must be subscribe, unsubscribe, ping or auth")

    async def _subscribe(self, client: Client, request: Request) -> None:
        topic = topic_of(request)
        if topic in client.topics:
            client.drop(topic)  # asked again: snapshot again
        if len(client.topics) >= MAX_TOPICS:
            raise field_problem("invalid_parameter", "channel", f"at most {MAX_TOPICS} subscriptions a connection")
        if topic.symbol:
            await self._board.choose(topic.symbol, topic.venue or None)
        client.begin(topic)
        try:
            snapshot = await snapshot_of(topic, self._board)
        except BaseException:  # cancelled or failed alike: a topic half begun would swallow its messages
            client.drop(topic)
            raise
        acknowledged = text_of(type="subscribed", id=request.id, **msgspec.structs.asdict(topic))
        client.say(acknowledged)
        client.open(topic, snapshot)

    def _fault(self, client: Client, request_id: str | int | None, problem: Problem) -> None:
        errors = [FieldError(e.field, e.message) for e in problem.errors]
        client.say(text_of(type="error", id=request_id, code=problem.code, detail=problem.detail, errors=errors))
        self._faults += 1
        if self._faults >= _MAX_FAULTS:
            client.close(Close.BAD_REQUEST)

    async def _write(self, client: Client) -> None:
        while messages := await client.take():
            for message in messages:
                try:
                    async with asyncio.timeout(self._send_s):
                        await self._wire.send(message.text)
                except TimeoutError:
                    client.close(Close.SLOW)
                    return
                metrics.SENT.labels(message.channel or "control").inc()

    async def _beat(self, client: Client) -> None:
        while True:
            await asyncio.sleep(self._heartbeat_s)
            health = await self._board.health()
            stale = sum(feed.stale for feed in health.feeds)
            client.say(
                text_of(type="heartbeat", server_ns=self._clock(), feeds={"total": len(health.feeds), "stale": stale})
            )

    async def _watch_key(self, client: Client, principal: Principal) -> None:
        while True:
            await asyncio.sleep(_CHECK_KEY_S)
            if await self._guard.renew(principal) is None:
                client.close(Close.REVOKED)
                return
