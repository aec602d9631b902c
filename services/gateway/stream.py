"""One WebSocket client: texts in, texts out; signed in by header, ticket or first message, then by channel."""

import asyncio
import logging
import secrets
from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec
from msgspec import Struct

from libs.common.runtime.clock import now_ns
from services.gateway import metrics
from services.gateway.auth import ANONYMOUS, AuthError, Keyring, Principal, bearer
from services.gateway.board import Board
from services.gateway.hub import CHANNELS, Client, Close, Hub, Message, Topic, update
from services.gateway.latest import TICKET_S, Latest
from services.gateway.outages import OUTAGES
from services.gateway.problems import FieldError, Problem, field_problem
from services.gateway.projections import STREAM_DEPTH, announce
from services.gateway.schemas import Ticket, rfc3339

log = logging.getLogger(__name__)

MAX_TEXT: Final = 64 * 1024
MAX_TOPICS: Final = 100
_MAX_FAULTS: Final = 10
_SIGN_IN_S: Final = 5.0
_SEND_S: Final = 10.0
_SNAPSHOT_SIGNALS: Final = 20
_CHECK_KEY_S: Final = 3.0


class Wire(Protocol):
    """The connection, as the session needs it."""

    async def receive(self) -> str | None:
        """Return the next text; None: the client has gone."""

    async def send(self, text: str) -> None:
        """Send one text; returns when the connection has taken it."""

    async def close(self, code: int, reason: str) -> None:
        """Close."""


class Request(Struct, frozen=True, forbid_unknown_fields=True):
    """What a client may say."""

    op: str
    id: str | int | None = None
    channel: str = ""
    symbol: str = ""
    venue: str = ""
    key: str = ""


class Sessions:
    """Makes sessions, and knows by what a client may be signed in before its first message."""

    def __init__(
        self,
        hub: Hub,
        board: Board,
        keyring: Keyring,
        latest: Latest,
        *,
        heartbeat_s: float = 15.0,
        send_s: float = _SEND_S,
    ) -> None:
        self._hub = hub
        self._board = board
        self._keyring = keyring
        self._latest = latest
        self._heartbeat_s = heartbeat_s
        self._send_s = send_s

    async def who(self, authorization: str | None, ticket: str | None) -> Principal | None:
        """Return who a handshake speaks for; None: it says nothing of that.

        Raises:
            AuthError: it says something wrong.
        """
        if authorization is not None:
            return await self._keyring.check(bearer(authorization))
        if ticket is None:
            return None
        try:
            principal = _principal(await self._latest.redeem_ticket(ticket) or b"")
        except msgspec.DecodeError as e:
            raise AuthError("the ticket is not known, used, or too old") from e
        return principal

    async def ticket(self, principal: Principal) -> Ticket:
        """Return a word that opens one stream as `principal`."""
        text = msgspec.json.encode(principal).decode()
        return Ticket(ticket=await self._latest.issue_ticket(text), expires_in_s=TICKET_S)

    def open(self, wire: Wire) -> "Session":
        """Return the session of a new connection."""
        return Session(wire, self._hub, self._board, self._keyring, heartbeat_s=self._heartbeat_s, send_s=self._send_s)


_principal: Final = msgspec.json.Decoder(Principal).decode
_decode: Final = msgspec.json.Decoder(Request)


class Session:
    """A client's life from its first message to its last."""

    def __init__(
        self,
        wire: Wire,
        hub: Hub,
        board: Board,
        keyring: Keyring,
        *,
        heartbeat_s: float,
        send_s: float,
        clock: Callable[[], int] = now_ns,
    ) -> None:
        self._wire = wire
        self._hub = hub
        self._board = board
        self._keyring = keyring
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
        if self._keyring.anonymous:
            return ANONYMOUS
        try:
            async with asyncio.timeout(_SIGN_IN_S):
                text = await self._wire.receive()
            request = _decode.decode(text or "")
            return await self._keyring.check(request.key) if request.op == "auth" else None
        except (TimeoutError, msgspec.DecodeError, AuthError):
            return None

    def _ready(self, principal: Principal) -> str:
        now = self._clock()
        return _text(
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
                request = _decode.decode(text)
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
                topic = _topic(request)
                known = client.drop(topic)
                client.say(_text(type="unsubscribed", id=request.id, known=known, **msgspec.structs.asdict(topic)))
            case "ping":
                client.say(_text(type="pong", id=request.id, server_ns=self._clock()))
            case "auth":
                client.say(_text(type="error", id=request.id, code="bad_request", detail="already signed in"))
            case _:
                raise field_problem("invalid_parameter", "op", "must be subscribe, unsubscribe, ping or auth")

    async def _subscribe(self, client: Client, request: Request) -> None:
        topic = _topic(request)
        if topic in client.topics:
            client.drop(topic)  # asked again: snapshot again
        if len(client.topics) >= MAX_TOPICS:
            raise field_problem("invalid_parameter", "channel", f"at most {MAX_TOPICS} subscriptions a connection")
        if topic.symbol:
            await self._board.choose(topic.symbol, topic.venue or None)
        client.begin(topic)
        try:
            snapshot = await self._snapshot(topic)
        except BaseException:
            client.drop(topic)
            raise
        acknowledged = _text(type="subscribed", id=request.id, **msgspec.structs.asdict(topic))
        client.say(acknowledged)
        client.open(topic, snapshot)

    async def _snapshot(self, topic: Topic) -> list[Message]:
        symbol, venue = topic.symbol or None, topic.venue or None
        found: list[tuple[str, str, str, Struct]]
        match topic.channel:
            case "price":
                markets = (await self._board.markets()).data
                found = [(m.venue, m.symbol, "", m.last) for m in markets if m.last]
            case "book" if symbol:
                try:
                    book = (await self._board.book(symbol, venue=venue, depth=STREAM_DEPTH)).book
                except Problem:
                    return []  # the first update brings it, or says why not
                found = [(book.venue, book.symbol, "", book)]
            case "readings" if symbol:
                readings = (await self._board.readings(symbol, venue=venue)).readings
                found = [(r.venue, r.symbol, f"{r.layer}|{r.timeframe or ''}", r) for r in readings]
            case "signals":
                page = await self._board.signals(symbol=symbol, venue=venue, limit=_SNAPSHOT_SIGNALS)
                found = [(s.venue, s.symbol, "", s) for s in reversed(page.data)]
            case "health":
                found = [("", "", "", await self._board.health())]
            case _:
                return []  # candles: take them from REST
        messages = [
            update(announce(topic.channel, venue, symbol, data, slot=slot), "snapshot")
            for venue, symbol, slot, data in found
        ]
        return [message for message in messages if topic.wants(message)]

    def _fault(self, client: Client, request_id: str | int | None, problem: Problem) -> None:
        errors = [FieldError(e.field, e.message) for e in problem.errors]
        client.say(_text(type="error", id=request_id, code=problem.code, detail=problem.detail, errors=errors))
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
                _text(type="heartbeat", server_ns=self._clock(), feeds={"total": len(health.feeds), "stale": stale})
            )

    async def _watch_key(self, client: Client, principal: Principal) -> None:
        while True:
            await asyncio.sleep(_CHECK_KEY_S)
            if not await self._keyring.still_valid(principal):
                client.close(Close.REVOKED)
                return


def _topic(request: Request) -> Topic:
    if request.channel not in CHANNELS:
        raise field_problem("invalid_parameter", "channel", f"must be one of {', '.join(CHANNELS)}")
    if request.channel in {"book", "readings"} and not request.symbol:
        raise field_problem("invalid_parameter", "symbol", f"the channel {request.channel} needs one")
    return Topic(request.channel, request.symbol, request.venue)


def _text(**fields: Any) -> str:
    return msgspec.json.encode(fields).decode()
