"""Operations of signing in: REST alone, for they speak in cookies. They are public: each checks what it is shown."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from services.gateway.access import csrf
from services.gateway.access.answering import Answered
from services.gateway.access.scopes import Scope
from services.gateway.access.sign_in import Asked, SignIns
from services.gateway.access.signing import PublicKeys
from services.gateway.operations.desk import Caller, Desk
from services.gateway.operations.operation import Example, Freshness, Nothing, Operation, Surface
from services.gateway.problems import FieldError, Problem
from services.gateway.schemas.sessions import SessionView

_Text = Annotated[str, Meta(min_length=1, max_length=256)]

_REFUSED: Final = ("unauthenticated", "locked_out", "csrf")


class SignInWanted(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who signs in: a name with its password, or an API key."""

    name: Annotated[_Text | None, Meta(description="A person's name")] = None
    password: Annotated[_Text | None, Meta(description="Their password")] = None
    key: Annotated[_Text | None, Meta(description="An API key: the session may what the key may")] = None


async def _sign_in(desk: Desk, caller: Caller, wanted: SignInWanted) -> SessionView:
    entrance = sign_ins(desk)
    match wanted:
        case SignInWanted(name=str(name), password=str(password), key=None):
            answered = await entrance.by_password(asked(caller), name, password)
        case SignInWanted(name=None, password=None, key=str(key)):
            answered = await entrance.by_key(asked(caller), key)
        case _:
            fault = "send a name with its password, or a key alone"
            raise Problem("invalid_body", fault, FieldError("name", fault), FieldError("key", fault))
    return given(caller, answered)


async def _refresh(desk: Desk, caller: Caller, _wanted: Nothing) -> SessionView:
    return given(caller, await sign_ins(desk).again(asked(caller)))


async def _sign_out(desk: Desk, caller: Caller, _wanted: Nothing) -> SessionView:
    return given(caller, await sign_ins(desk).out(asked(caller)))


async def _session(desk: Desk, caller: Caller, _wanted: Nothing) -> SessionView:
    return await sign_ins(desk).view(asked(caller))


async def _jwks(desk: Desk, _caller: Caller, _wanted: Nothing) -> PublicKeys:
    return sign_ins(desk).tokens.keys.public()


def sign_ins(desk: Desk) -> SignIns:
    """Return what begins and ends sessions.

    Raises:
        Problem: this process has none.
    """
    if desk.sign_ins is None:
        raise Problem("dependency_down", "nobody can sign in to this process")
    return desk.sign_ins


def asked(caller: Caller) -> Asked:
    """Return what a caller's browser showed."""
    return Asked(
        cookie=caller.shown.get("cookie", ""),
        csrf=caller.shown.get(csrf.HEADER, ""),
        address=caller.address,
        request_id=caller.request_id,
    )


def given(caller: Caller, answered: Answered) -> SessionView:
    """Return the answer, and give the browser its cookies."""
    caller.cookies += answered.cookies
    return answered.view


AUTH: Final = (
    Operation(
        name="auth.sign_in",
        method="POST",
        path="/v1/auth/sign-in",
        params=SignInWanted,
        answer=SessionView,
        read=_sign_in,
        scope=Scope.PUBLIC,
        summary="Begin a session in this browser",
        detail="By a name with its password, or by an API key, which then need not be kept in the page. The session "
        "comes in cookies that scripts cannot read; `csrf` is to be sent as `X-CSRF-Token` with every change. "
        "Programs need none of this: they send their key as `Authorization: Bearer`.",
        tag="auth",
        example=Example({"name": "ada", "password": "correct horse battery"}, given="person"),
        cost=5,
        surfaces=Surface.REST,
        secret_reply=True,
        problems=_REFUSED,
    ),
    Operation(
        name="auth.refresh",
        method="POST",
        path="/v1/auth/refresh",
        params=Nothing,
        answer=SessionView,
        read=_refresh,
        scope=Scope.PUBLIC,
        summary="Go on with the session",
        detail="Exchanges the refresh cookie, which is good once, for the next one, and gives ten more minutes. A "
        "cookie that comes a second time ends the session, for it was copied; where two tabs asked within five "
        "seconds, the answer is 409 and nothing ends.",
        tag="auth",
        example=Example({}, given="session"),
        surfaces=Surface.REST,
        problems=(*_REFUSED, "conflict"),
    ),
    Operation(
        name="auth.sign_out",
        method="POST",
        path="/v1/auth/sign-out",
        params=Nothing,
        answer=SessionView,
        read=_sign_out,
        scope=Scope.PUBLIC,
        summary="End the session",
        detail="Everywhere and at once, open streams included. Without a session nothing happens.",
        tag="auth",
        example=Example({}, given="session"),
        surfaces=Surface.REST,
        problems=("csrf",),
    ),
    Operation(
        name="auth.session",
        method="GET",
        path="/v1/auth/session",
        params=Nothing,
        answer=SessionView,
        read=_session,
        scope=Scope.PUBLIC,
        summary="Who is signed in with this browser",
        detail="And the word that its page sends with every change.",
        tag="auth",
        example=Example({}, given="session"),
        surfaces=Surface.REST,
    ),
    Operation(
        name="auth.jwks",
        method="GET",
        path="/v1/auth/jwks",
        params=Nothing,
        answer=PublicKeys,
        read=_jwks,
        scope=Scope.PUBLIC,
        summary="The keys that verify our access tokens",
        detail="A JSON Web Key Set (RFC 7517): Ed25519 alone, named by their thumbprints.",
        tag="auth",
        example=Example({}),
        freshness=Freshness(60.0, 600.0),
        surfaces=Surface.REST,
    ),
)
