"""Who may call a route, and with which parameters: checked before anything is read."""

from typing import Any, Final

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.openapi.datastructures import ResponseSpec

from services.gateway.access.keys import ANONYMOUS, AuthError, Keyring, Principal, bearer
from services.gateway.problems import CODES, FieldError, Problem, ProblemDocument, field_problem

PUBLIC: Final = {"public": True}
READ: Final = {"scope": "read"}


async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Let pass who may: a route is public by name or needs a key with its scope; a route that says neither is closed.

    Raises:
        Problem: no key, a wrong one, one without the scope, or an unknown parameter.
    """
    scope: Any = connection.scope
    scope["csx.route"] = min(handler.paths)
    if not handler.opt.get("public"):
        principal = await _principal(connection, connection.app.state.keyring)
        if handler.opt.get("scope") not in principal.scopes:
            raise Problem("forbidden", "the API key does not allow this")
        scope["csx.principal"] = principal
    known = {getattr(p.default, "query", None) or name for name, p in handler.parsed_fn_signature.parameters.items()}
    if handler.opt.get("query"):
        known |= set(handler.opt["query"])
    if unknown := sorted(set(connection.query_params) - known):
        errors = [FieldError(name, "there is no such parameter here") for name in unknown]
        raise Problem("unknown_parameter", f"unknown parameter: {', '.join(unknown)}", *errors)


async def _principal(connection: ASGIConnection[Any, Any, Any, Any], keyring: Keyring) -> Principal:
    header = connection.headers.get("authorization")
    key = bearer(header) if header is not None else connection.headers.get("x-api-key")
    if key is None:
        if keyring.anonymous:
            return ANONYMOUS
        raise field_problem("unauthenticated", "Authorization", "send an API key: Bearer csx_live_...")
    try:
        return await keyring.check(key)
    except AuthError as e:
        raise field_problem("unauthenticated", "Authorization", str(e)) from e


def problems(*statuses: int) -> dict[int, ResponseSpec]:
    """Return the documentation of an operation's problems, by status."""
    specs: dict[int, ResponseSpec] = {}
    for status in sorted({400, 401, 403, 503, *statuses}):
        codes = [code for code, (its_status, _) in CODES.items() if its_status == status]
        specs[status] = ResponseSpec(
            data_container=ProblemDocument,
            description=f"Problem; `code` is one of: {', '.join(codes)}",
            media_type="application/problem+json",
            generate_examples=False,
        )
    return specs
