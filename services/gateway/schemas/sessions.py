"""Views of a session in a browser. Pure."""

from msgspec import Struct

from services.gateway.access.scopes import Role


class SessionView(Struct, frozen=True, kw_only=True):
    """Whether somebody has signed in with this browser, and what its page needs to know."""

    signed_in: bool
    user_id: str | None = None
    name: str | None = None
    """The person's name, or the key's that was exchanged."""
    role: Role | None = None
    scopes: list[str] = []
    csrf: str | None = None
    """To be sent as `X-CSRF-Token` with every request that is no GET."""
    access_s: int = 0
    """Seconds until the session must be refreshed; 0: now."""
    expires_ns: int | None = None
    """When it ends in any case."""
    expires: str | None = None
    anonymous: bool = False
    """Reading needs no sign-in here."""
    elsewhere: bool = False
    """One may sign in with a provider: `/v1/auth/oidc/start`."""
