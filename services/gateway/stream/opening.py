"""Who opens a stream: by header, ticket or first message; the sessions of those who may."""

from typing import Final

import msgspec

from services.gateway.access.guard import Guard
from services.gateway.access.keys import AuthError
from services.gateway.access.principal import Principal
from services.gateway.board import Board
from services.gateway.schemas.system import Ticket
from services.gateway.store.latest import TICKET_S, Latest
from services.gateway.stream.hub import Hub
from services.gateway.stream.session import Session, Wire

_SEND_S: Final = 10.0

_principal: Final = msgspec.json.Decoder(Principal).decode


class Sessions:
    """Makes sessions, and knows by what a client may be signed in before its first message."""

    def __init__(
        self,
        hub: Hub,
        board: Board,
        guard: Guard,
        latest: Latest,
        *,
        heartbeat_s: float = 15.0,
        send_s: float = _SEND_S,
    ) -> None:
        self._hub = hub
        self._board = board
        self._guard = guard
        self._latest = latest
        self._heartbeat_s = heartbeat_s
        self._send_s = send_s

    async def who(self, authorization: str | None, ticket: str | None) -> Principal | None:
        """Return who a handshake speaks for; None: it says nothing of that.

        Raises:
            AuthError, Problem: it says something wrong.
        """
        if authorization is not None:
            return await self._guard.who({"authorization": authorization})
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

    def open(self, wire: Wire) -> Session:
        """Return the session of a new connection."""
        return Session(wire, self._hub, self._board, self._guard, heartbeat_s=self._heartbeat_s, send_s=self._send_s)
