"""Who asks: headers in, a principal out, by whichever way they came."""

from collections.abc import Iterable, Mapping
from typing import Final, Protocol

from services.gateway.access.keyring import bearer, refused
from services.gateway.access.keys import AuthError
from services.gateway.access.principal import ANONYMOUS, NOBODY, Principal, Way
from services.gateway.access.recent import Recent
from services.gateway.problems import field_problem

_OTHERS: Final = frozenset({b"x-api-key", b"cookie"})
"""Fields by which one may come in, too."""


class Entrance(Protocol):
    """One way to come in: API keys, tokens, cookies."""

    async def who(self, headers: Mapping[str, str], *, method: str = "GET") -> Principal | None:
        """Return who the headers (names in lower case) speak for; None: they show nothing of this way.

        Raises:
            AuthError: they show something of this way that opens nothing.
        """

    async def renew(self, principal: Principal) -> Principal | None:
        """Return what a principal may now; None: nothing, or it came by another way."""

    def forget(self, credential: str) -> None:
        """Remember nothing of a credential: it was revoked or changed."""

    def forget_all(self) -> None:
        """Remember nothing: a person has changed."""


class Door(Protocol):
    """Counts what addresses show; `LimitGate` in production."""

    async def door(self, address: str, *, known: bool) -> dict[str, str]:
        """Take one request of an address; returns header fields, raises a problem for one too many."""

    async def refused(self, address: str) -> None:
        """Count a refused credential."""


class Guard:
    """Everything that knows who may come in; nobody else reads credentials."""

    def __init__(self, *entrances: Entrance, anonymous: bool = False, door: Door | None = None) -> None:
        self._entrances: list[Entrance] = list(entrances)
        self._door = door
        self.anonymous = anonymous
        self._recent = Recent()

    def add(self, entrance: Entrance) -> None:
        """Let people in by one more way; the first that knows what was shown decides."""
        self._entrances.append(entrance)

    async def who(
        self,
        headers: Mapping[str, str],
        *,
        method: str = "GET",
        address: str = "",
        answer: dict[str, str] | None = None,
    ) -> Principal:
        """Return who asks: NOBODY where nothing is shown, which then opens what is public.

        Args:
            headers: by name in lower case.
            method: of the request; who comes by cookie must prove that the page asks for what changes things.
            address: the client's, for its limits.
            answer: takes header fields for the answer.

        Raises:
            Problem: `unauthenticated`, `csrf`, `locked_out` or `rate_limited`.
        """
        shown = "authorization" in headers or "x-api-key" in headers or "cookie" in headers
        if self._door is not None:
            fields = await self._door.door(address, known=shown)
            if answer is not None:
                answer.update(fields)
        try:
            found = await self._who(headers, method)
        except AuthError as e:
            if self._door is not None:
                await self._door.refused(address)
            raise field_problem("unauthenticated", "Authorization", str(e)) from e
        self._recent.keep(headers, found)
        return found

    def recall(self, headers: Iterable[tuple[bytes, bytes]]) -> Principal | None:
        """Return who a request's raw head speaks for, where that was found out a moment ago; else None: ask `who`.

        Nothing is counted at the door.
        """
        shown = None
        for name, value in headers:
            if name == b"authorization":
                shown = value
            elif name in _OTHERS:
                return None
        if shown is None:
            return ANONYMOUS if self.anonymous else None
        return self._recent.find(shown)

    async def sign_in(self, text: str, *, address: str = "") -> Principal:
        """Return who a bare key or token speaks for: a stream's first message.

        Raises:
            Problem: as `who`.
        """
        return await self.who({"authorization": f"Bearer {text}"}, address=address)

    async def renew(self, principal: Principal) -> Principal | None:
        """Return what an open connection's principal may now; None: it is to be closed."""
        if principal.way is Way.ANONYMOUS:
            return principal if self.anonymous else None
        for entrance in self._entrances:
            if (now := await entrance.renew(principal)) is not None:
                return now
        return None

    def forget(self, credential: str) -> None:
        """Look again at a credential; an empty one: at all."""
        self._recent.clear()
        for entrance in self._entrances:
            if credential:
                entrance.forget(credential)
            else:
                entrance.forget_all()

    async def _who(self, headers: Mapping[str, str], method: str) -> Principal:
        for entrance in self._entrances:
            if (principal := await entrance.who(headers, method=method)) is not None:
                return principal
        if (shown := headers.get("authorization")) is not None:
            what = "neither an API key nor a token" if bearer(shown) else "of a scheme that is not known here"
            raise refused("malformed", f"what the header bears is {what}")
        return ANONYMOUS if self.anonymous else NOBODY
