"""The beat of all clients: one task says how the feeds are, one looks after credentials and lines."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from libs.common.runtime.clock import monotonic_s
from services.gateway.access.guard import Guard
from services.gateway.access.principal import Principal
from services.gateway.board import Board
from services.gateway.outages import OUTAGES
from services.gateway.schemas.times import age_s
from services.gateway.store.latest import Latest
from services.gateway.stream.closing import Close
from services.gateway.stream.hub import Hub
from services.gateway.stream.joining import Joining
from services.gateway.stream.session import Session
from services.gateway.stream.snapshots import Snapshots
from services.gateway.stream.words import FeedCount, Heartbeat, ReauthRequired, VenueQuality, told

log = logging.getLogger(__name__)

_SIGN_IN_S: Final = 5.0
_WATCH_S: Final = 1.0
"""The guard remembers for three seconds more: what was revoked ends streams within five."""
_WARN_NS: Final = 60_000_000_000
_CAUSES: Final = 3
_AT_ONCE: Final = 100
HEALTH_S: Final = 2.0


class Pulse:
    """What happens to every session by the clock."""

    def __init__(
        self,
        hub: Hub,
        board: Board,
        latest: Latest,
        guard: Guard,
        joining: Joining,
        snapshots: Snapshots,
        *,
        clock: Callable[[], int],
        send_s: float,
    ) -> None:
        self._hub = hub
        self._board = board
        self._latest = latest
        self._guard = guard
        self._joining = joining
        self._snapshots = snapshots
        self._clock = clock
        self._send_s = send_s
        self.sessions: set[Session] = set()

    async def beat(self, every_s: float) -> None:
        """Say how the feeds are and where each client is, until cancelled."""
        while True:
            await asyncio.sleep(every_s)
            if not self.sessions:
                continue
            try:
                shared = await self._shared()
            except OUTAGES as e:
                log.warning("how the feeds are could not be read", extra={"error": repr(e)})
                continue
            for number, session in enumerate(tuple(self.sessions)):
                if session.principal is not None:
                    cursors = {} if session.client.busy else self._joining.cursors(session.client)
                    session.client.say(told(msgspec.structs.replace(shared, cursors=cursors)))
                    session.client.line.ping()
                if number % _AT_ONCE == _AT_ONCE - 1:
                    await asyncio.sleep(0)

    async def health(self, every_s: float = HEALTH_S) -> None:
        """Tell this process's own clients how the feeds are, while any of them listens, until cancelled."""
        while True:
            await asyncio.sleep(every_s)
            if self._hub.wanted("health"):
                try:
                    self._hub.send(await self._snapshots.health())
                except OUTAGES as e:
                    log.warning("health could not be read", extra={"error": repr(e)})

    async def watch(self) -> None:
        """End what may not go on: credentials that ended, lines that take nothing, clients that say nothing."""
        while True:
            await asyncio.sleep(_WATCH_S)
            self._look()
            try:
                await self._renew()
            except OUTAGES as e:
                log.warning("credentials could not be looked at", extra={"error": repr(e)})

    async def _shared(self) -> Heartbeat:
        health, now = await self._board.health(), self._clock()
        quality = {
            venue: VenueQuality(
                grade=kept.report.grade,
                causes=kept.report.causes[:_CAUSES],
                as_of_ns=kept.report.event_ns,
                age_s=age_s(kept.seen_ns, now),
            )
            for venue, kept in (await self._latest.qualities()).items()
        }
        stale = sum(feed.stale for feed in health.feeds)
        feeds = FeedCount(total=len(health.feeds), stale=stale)
        return Heartbeat(server_ns=now, feeds=feeds, quality=quality, cursors={})

    def _look(self) -> None:
        now_s, now = monotonic_s(), self._clock()
        for session in tuple(self.sessions):
            client = session.client
            if session.principal is None:
                if now_s - session.opened_s > _SIGN_IN_S:
                    client.close(Close.UNAUTHENTICATED)
                continue
            if not client.line.paused:
                client.paused_since_s = None
            elif client.paused_since_s is None:
                client.paused_since_s = now_s
            elif now_s - client.paused_since_s > self._send_s:
                client.close(Close.SLOW)
            ends = session.principal.expires_ns
            if ends is not None and ends <= now:
                client.close(Close.UNAUTHENTICATED)
            elif ends is not None and ends - now <= _WARN_NS and not session.warned:
                session.warned = True
                client.say(told(ReauthRequired(expires_ns=ends)))

    async def _renew(self) -> None:
        holders: dict[Principal, list[Session]] = {}
        for session in tuple(self.sessions):
            if session.principal is not None and session.client.closing is None:
                holders.setdefault(session.principal, []).append(session)
        for principal, sessions in holders.items():
            now = await self._guard.renew(principal)
            for session in _still(sessions, principal):
                if now is None:
                    session.client.close(Close.REVOKED)
                elif now != principal:
                    session.renew(now)


def _still(sessions: Iterable[Session], principal: Principal) -> Iterable[Session]:
    return [session for session in sessions if session.principal == principal]  # they may have signed in again
