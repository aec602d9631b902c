"""The cookies of a session: a `Cookie` field in, `Set-Cookie` lines out. Pure.

Over HTTPS they are bound to this very host (`__Host-` and `Secure`). Without HTTPS, which only a gateway on the
loopback of one machine may be, a browser would not send such cookies back: there they have plain names.
"""

from typing import Final

from msgspec import Struct

PATH: Final = "/v1/auth"
"""What only signing in needs is not sent elsewhere."""
_SECURE: Final = "__Host-"


class Sent(Struct, frozen=True):
    """What a browser showed of a session."""

    access: str = ""
    refresh: str = ""
    flow: str = ""
    """A sign-in elsewhere that has begun."""


class Cookies:
    """Writes and reads them; `secure`: for HTTPS."""

    def __init__(self, *, secure: bool) -> None:
        self._secure = secure
        self._access = f"{_SECURE}csx_access" if secure else "csx_access"
        # bound to one path, which the prefix __Host- forbids
        self._refresh = "__Secure-csx_refresh" if secure else "csx_refresh"
        self._flow = "__Secure-csx_flow" if secure else "csx_flow"

    def read(self, field: str) -> Sent:
        """Return what a `Cookie` field holds of ours; of a name that stands twice, nothing."""
        found: dict[str, list[str]] = {}
        for part in field.split(";"):
            name, _, value = part.strip().partition("=")
            found.setdefault(name, []).append(value)
        access, refresh, flow = (
            values[0] if len(values := found.get(name, [])) == 1 else ""
            for name in (self._access, self._refresh, self._flow)
        )
        return Sent(access, refresh, flow)

    def session(self, access: str, refresh: str, *, access_s: int, refresh_s: int) -> list[str]:
        """Return the lines that keep a session in a browser."""
        return [
            self._line(self._access, access, path="/", age_s=access_s),
            self._line(self._refresh, refresh, path=PATH, age_s=refresh_s),
        ]

    def gone(self) -> list[str]:
        """Return the lines that take a session out of a browser."""
        return [self._line(self._access, "", path="/", age_s=0), self._line(self._refresh, "", path=PATH, age_s=0)]

    def flow(self, value: str, *, age_s: int) -> str:
        """Return the line of a sign-in that goes on elsewhere; who comes back from there comes from another site."""
        return self._line(self._flow, value, path=PATH, age_s=age_s, same_site="Lax")

    def _line(self, name: str, value: str, *, path: str, age_s: int, same_site: str = "Strict") -> str:
        secure = "; Secure" if self._secure else ""
        return f"{name}={value}; Path={path}; Max-Age={age_s}; HttpOnly; SameSite={same_site}{secure}"
