"""Operations of signing in with a provider: two ends of one way, for browsers alone."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from services.gateway.access.oidc import FLOW_S, Elsewhere, Return
from services.gateway.access.scopes import Scope
from services.gateway.operations.auth import asked, given, sign_ins
from services.gateway.operations.desk import Caller, Desk
from services.gateway.operations.operation import Example, Nothing, Operation, Surface
from services.gateway.problems import Problem

_Code = Annotated[str, Meta(max_length=2048)]
_Text = Annotated[str, Meta(max_length=512)]  # all together are shorter than the longest address
_Ignored = Annotated[_Text | None, Meta(description="Some providers send it; it is not read")]


class Returned(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a provider sends back with the browser."""

    code: Annotated[_Code, Meta(description="Good once, for a token")] = ""
    state: Annotated[_Text, Meta(description="What the browser was sent with")] = ""
    iss: Annotated[_Text, Meta(description="Who sends it back (RFC 9207)")] = ""
    error: Annotated[_Text, Meta(description="Why there is no code")] = ""
    error_description: _Ignored = None
    error_uri: _Ignored = None
    session_state: _Ignored = None
    scope: _Ignored = None
    authuser: _Ignored = None
    hd: _Ignored = None
    prompt: _Ignored = None


async def _start(desk: Desk, caller: Caller, _wanted: Nothing) -> None:
    provider = _provider(desk)
    location, flow = await provider.begin()
    caller.cookies.append(sign_ins(desk).cookies.flow(flow, age_s=FLOW_S))
    caller.headers["Location"] = location


async def _callback(desk: Desk, caller: Caller, came: Returned) -> None:
    provider, entrance = _provider(desk), sign_ins(desk)
    shown = asked(caller)
    await entrance.knock(shown)
    caller.cookies.append(entrance.cookies.flow("", age_s=0))
    brought = Return(code=came.code, state=came.state, iss=came.iss, error=came.error)
    identity = await provider.finish(entrance.cookies.read(shown.cookie).flow, brought)
    given(caller, await entrance.by_identity(shown, identity))
    caller.headers["Location"] = "/"


def _provider(desk: Desk) -> Elsewhere:
    if desk.elsewhere is None:
        raise Problem("not_found", "no provider is named in the settings of this gateway")
    return desk.elsewhere


ELSEWHERE: Final = (
    Operation(
        name="auth.oidc_start",
        method="GET",
        path="/v1/auth/oidc/start",
        params=Nothing,
        answer=None,
        read=_start,
        scope=Scope.PUBLIC,
        summary="Sign in with the provider",
        detail="Sends the browser to the provider of the settings (OpenID Connect: code, PKCE, state and nonce); it "
        "has five minutes to come back. 404 where the settings name none.",
        tag="auth",
        example=Example({}, given="provider"),
        surfaces=Surface.REST,
        status=303,
    ),
    Operation(
        name="auth.oidc_callback",
        method="GET",
        path="/v1/auth/oidc/callback",
        params=Returned,
        answer=None,
        read=_callback,
        scope=Scope.PUBLIC,
        summary="Come back from the provider",
        detail="Where the provider sends the browser: begins a session as `auth.sign_in` does and goes to the page. "
        "Who comes for the first time reads, or trades where a claim of the settings says so; nobody becomes an "
        "administrator by it.",
        tag="auth",
        example=Example({"error": "access_denied"}, given="provider"),
        cost=5,
        surfaces=Surface.REST,
        secret_reply=True,
        status=303,
        problems=("unauthenticated", "locked_out"),
    ),
)
