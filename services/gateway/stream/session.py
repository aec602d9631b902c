"""One client's life from its first message to its last: texts in, subscriptions and answers out."""

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from libs.common.runtime.clock import monotonic_s
from services.gateway.access.principal import Principal
from services.gateway.access.scopes import Role, Scope
from services.gateway.board import Board
from services.gateway.outages import OUTAGES
from services.gateway.problems import FieldError, Problem, field_problem
from services.gateway.schemas.times import rfc3339
from services.gateway.store.cursor import Cursors
from services.gateway.store.feed import EVERYONE
from services.gateway.stream.channels import CHANNELS
from services.gateway.stream.client import Client
from services.gateway.stream.closing import Close
from services.gateway.stream.cursors import read_one
from services.gateway.stream.hub import Hub
from services.gateway.stream.joining import Joining, TooOld, resync
from services.gateway.stream.requests import LIVE, Request, decode_request, topics_of
from services.gateway.stream.words import Authenticated, ErrorTold, Pong, Ready, Subscribed, Unsubscribed, told

log = logging.getLogger(__name__)

MAX_TOPICS: Final = 100
MESSAGES_A_SECOND: Final = 50
_MAX_FAULTS: Final = 10


class Office(Protocol):
    """What sessions work with; `Sessions` in production."""

    hub: Hub
    board: Board
    joining: Joining
    cursors: Cursors
    clock: Callable[[], int]
    heartbeat_s: float
    limits: dict[str, int]

    async def admit(self, key: str, ticket: str, address: str) -> Principal:
        """Return who a key or a ticket of a first message speaks for; raises a problem where it is nobody."""

    def leave(self, session: "Session") -> None:
        """Forget a session."""


class Session:
    """What a client says, and what becomes of it. Idle, it is no task."""

    __slots__ = (
        "_faults",
        "_office",
        "_requests",
        "_said",
        "_since_s",
        "_task",
        "address",
        "client",
        "opened_s",
        "principal",
        "warned",
    )  # fmt: skip

    def __init__(self, office: Office, client: Client, principal: Principal | None, address: str) -> None:
        self._office = office
        self.client = client
        self.principal = principal
        self.address = address
        self.opened_s = monotonic_s()
        self.warned = False
        """It was told that its credential ends."""
        self._requests: deque[Request] = deque()
        self._task: asyncio.Task[None] | None = None
        self._faults = 0
        self._said = 0
        self._since_s = self.opened_s
        if principal is not None:
            self._welcome(principal)

    def hear(self, payload: bytes) -> None:
        """Take one message of the client."""
        if self.client.closing is not None or not self._in_pace():
            return
        try:
            request = decode_request(payload)
        except (msgspec.DecodeError, UnicodeDecodeError) as e:
            if self.principal is None:
                self.client.close(Close.UNAUTHENTICATED)
            else:
                self._fault(None, Problem("bad_request", f"no request: {e}"))
            return
        if len(self._requests) >= MESSAGES_A_SECOND:  # it asks faster than we can answer
            self.client.close(Close.RATE)
            return
        self._requests.append(request)
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name="stream requests")

    def gone(self) -> None:
        """End: the connection is closed."""
        if self._task is not None:
            self._task.cancel()
        self._office.leave(self)

    def renew(self, principal: Principal) -> None:
        """Take what the client may now; topics that it may not have any more end it."""
        self.principal = principal
        self.client.reader = EVERYONE if principal.role is Role.ADMIN else principal.subject
        if not all(principal.may(CHANNELS[topic.channel].scope) for topic in self.client.topics):
            self.client.close(Close.REVOKED)

    def _in_pace(self) -> bool:
        now_s = monotonic_s()
        if now_s - self._since_s >= 1.0:
            self._since_s, self._said = now_s, 0
        self._said += 1
        if self._said > MESSAGES_A_SECOND:
            self.client.close(Close.RATE)
            return False
        return True

    async def _work(self) -> None:
        try:
            while self._requests and self.client.closing is None:
                request = self._requests.popleft()
                try:
                    await self._obey(request)
                except Problem as e:
                    self._fault(request.id, e)
                except TooOld as e:
                    resync(self.client, e)
                except OUTAGES as e:
                    log.warning("a store does not answer: a client begins again", extra={"error": repr(e)})
                    self.client.close(Close.RESYNC)
                except Exception:  # one request's fault is not to silence the client: logged, and said
                    log.exception("a request of a stream failed")
                    self._fault(request.id, Problem("internal", "the gateway failed; its log says why"))
        finally:
            self._task = None

    async def _obey(self, request: Request) -> None:
        if request.op == "auth":
            await self._sign_in(request)
            return
        if self.principal is None:
            self.client.close(Close.UNAUTHENTICATED)
            return
        match request.op:
            case "subscribe":
                await self._subscribe(request, self.principal)
            case "unsubscribe":
                for topic in topics_of(request, self.principal):
                    known = self._office.hub.ignore(self.client, topic)
                    gone = Unsubscribed(
                        id=request.id, channel=topic.channel, symbol=topic.symbol, venue=topic.venue, known=known
                    )
                    self.client.say(told(gone))
            case "ping":
                self.client.say(told(Pong(id=request.id, server_ns=self._office.clock())))
            case _:
                raise field_problem("invalid_parameter", "op", "must be subscribe, unsubscribe, ping or auth")

    async def _sign_in(self, request: Request) -> None:
        before = self.principal
        try:
            principal = await self._office.admit(request.key, request.ticket, self.address)
        except Problem:
            if before is None:
                self.client.close(Close.UNAUTHENTICATED)
                return
            raise
        if not principal.may(Scope.STREAM):
            self.client.close(Close.REVOKED)
        elif before is None:
            self.principal = principal
            self._welcome(principal)
        elif principal.subject != before.subject:
            raise Problem("forbidden", "this stream is another user's: open one of your own")
        else:
            self.warned = False
            self.renew(principal)
            self.client.say(told(Authenticated(id=request.id, expires_ns=principal.expires_ns)))

    def _welcome(self, principal: Principal) -> None:
        self.renew(principal)
        now = self._office.clock()
        self.client.say(
            told(
                Ready(
                    session=secrets.token_hex(8),
                    server_ns=now,
                    server_time=rfc3339(now),
                    epoch=self._office.hub.epoch,
                    name=principal.name,
                    expires_ns=principal.expires_ns,
                    channels=[name for name, channel in CHANNELS.items() if principal.may(channel.scope)],
                    heartbeat_s=self._office.heartbeat_s,
                    limits=self._office.limits | {"subscriptions": MAX_TOPICS, "messages_a_second": MESSAGES_A_SECOND},
                )
            )
        )

    async def _subscribe(self, request: Request, principal: Principal) -> None:
        topics = topics_of(request, principal)
        client = self.client
        if len(client.topics.union(topics)) > MAX_TOPICS:
            raise field_problem("invalid_parameter", "channel", f"at most {MAX_TOPICS} subscriptions a connection")
        for topic in topics:
            if topic.symbol:
                await self._office.board.choose(topic.symbol, topic.venue or None)
        kept = CHANNELS[request.channel].kept
        joining = self._office.joining
        spot = read_one(self._office.cursors, request.since, request.channel) if self._resumes(request, kept) else None
        cursor: str | None = None
        if kept:
            head = joining.head(request.channel)
            cursor = request.since if spot else joining.cursor(request.channel, head.position)
        begun = Subscribed(
            id=request.id,
            channel=request.channel,
            symbol=request.symbol,
            symbols=[topic.symbol for topic in topics if topic.symbol],
            venue=request.venue,
            cursor=cursor,
        )
        client.say(told(begun))
        client.hold()
        try:
            for topic in topics:
                self._office.hub.ignore(client, topic)  # asked again: begun again
                if not kept:
                    await joining.view(client, topic)
                elif spot is not None:
                    await joining.resume(client, topic, spot)
                elif request.since == LIVE:
                    await joining.live(client, topic)
                else:
                    await joining.newest(client, topic)
        finally:
            client.release()

    @staticmethod
    def _resumes(request: Request, kept: bool) -> bool:
        return kept and request.since not in {"", LIVE}

    def _fault(self, request_id: str | int | None, problem: Problem) -> None:
        errors = [FieldError(e.field, e.message) for e in problem.errors]
        self.client.say(told(ErrorTold(id=request_id, code=problem.code, detail=problem.detail, errors=errors)))
        self._faults += 1
        if self._faults >= _MAX_FAULTS:
            self.client.close(Close.BAD_REQUEST)
