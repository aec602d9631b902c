"""Who opens a stream: by header, ticket or first message; and everything that the sessions of a process share."""

from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec

from libs.common.runtime.clock import now_ns
from services.gateway.access.guard import Guard
from services.gateway.access.keys import AuthError
from services.gateway.access.principal import Principal
from services.gateway.board import Board
from services.gateway.problems import field_problem
from services.gateway.schemas.system import Ticket
from services.gateway.store.cursor import Cursors
from services.gateway.store.latest import TICKET_S, Latest
from services.gateway.store.store import Store
from services.gateway.stream.client import Line
from services.gateway.stream.following import Follower
from services.gateway.stream.hub import Hub
from services.gateway.stream.joining import Joining
from services.gateway.stream.pulse import HEALTH_S, Pulse
from services.gateway.stream.relay import Relay
from services.gateway.stream.session import Session
from services.gateway.stream.snapshots import Snapshots
from services.gateway.stream.taking import MAX_TEXT

_SEND_S: Final = 10.0

_principal: Final = msgspec.json.Decoder(Principal).decode


class Sessions:
    """Makes sessions, and knows by what a client may be signed in before its first message."""

    def __init__(
        self,
        hub: Hub,
        board: Board,
        guard: Guard,
        store: Store,
        latest: Latest,
        *,
        cursors: Cursors | None = None,
        heartbeat_s: float = 15.0,
        stale_after_s: float = 15.0,
        send_s: float = _SEND_S,
        health_s: float = HEALTH_S,
        clock: Callable[[], int] = now_ns,
    ) -> None:
        self.hub = hub
        self.board = board
        self.guard = guard
        self.cursors = cursors or Cursors()
        self.clock = clock
        self.heartbeat_s = heartbeat_s
        self.send_s = send_s
        self.limits = {"message_bytes": MAX_TEXT}
        self._latest = latest
        self._health_s = health_s
        self.follower = Follower(store.feed, hub, self.cursors)
        snapshots = Snapshots(board, store, latest, stale_after_s=stale_after_s, clock=clock)
        self.joining = Joining(hub, store.feed, self.follower, snapshots, self.cursors)
        self._relay = Relay(latest.redis, hub, self.follower, snapshots)
        self.pulse = Pulse(hub, board, latest, guard, self.joining, snapshots, clock=clock, send_s=send_s)

    def works(self) -> dict[str, Coroutine[Any, Any, None]]:
        """Return what has to run beside, by name."""
        return {
            "stream relay": self._relay.run(),
            "stream feed": self.follower.run(),
            "stream heartbeat": self.pulse.beat(self.heartbeat_s),
            "stream health": self.pulse.health(self._health_s),
            "stream watch": self.pulse.watch(),
        }

    async def who(self, authorization: str | None, ticket: str | None, address: str = "") -> Principal | None:
        """Return who a handshake speaks for; None: it says nothing of that.

        Raises:
            AuthError, Problem: it says something wrong.
        """
        if authorization is not None:
            return await self.guard.who({"authorization": authorization}, address=address)
        if ticket is None:
            principal = await self.guard.who({}, address=address)
            return principal if principal.credential else None
        try:
            return _principal(await self._latest.redeem_ticket(ticket) or b"")
        except msgspec.DecodeError as e:
            raise AuthError("the ticket is not known, used, or too old") from e

    async def admit(self, key: str, ticket: str, address: str) -> Principal:
        """Return who a message `auth` speaks for.

        Raises:
            Problem: nobody.
        """
        if not ticket:
            return await self.guard.sign_in(key, address=address)
        try:
            return _principal(await self._latest.redeem_ticket(ticket) or b"")
        except msgspec.DecodeError as e:
            raise field_problem("unauthenticated", "ticket", "it is not known, used, or too old") from e

    async def ticket(self, principal: Principal) -> Ticket:
        """Return a word that opens one stream as `principal`."""
        text = msgspec.json.encode(principal).decode()
        return Ticket(ticket=await self._latest.issue_ticket(text), expires_in_s=TICKET_S)

    def open(self, line: Line, principal: Principal | None, address: str) -> Session:
        """Return the session of a new connection that may come in."""
        session = Session(self, self.hub.join(line, address), principal, address)
        self.pulse.sessions.add(session)
        return session

    def leave(self, session: Session) -> None:
        """Forget a session: its connection is closed."""
        self.pulse.sessions.discard(session)
        self.hub.leave(session.client)
