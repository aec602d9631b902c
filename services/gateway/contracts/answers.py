"""What of an answer is not its body: the problems that may come instead, and the head. Pure."""

from typing import Any, Final

from services.gateway.access.scopes import Scope
from services.gateway.contracts.schemas import REF, Schema
from services.gateway.operations.operation import Operation
from services.gateway.problems import CODES

_ALWAYS: Final = (
    "bad_request",
    "origin_not_allowed",
    "https_required",
    "not_found",
    "method_not_allowed",
    "uri_too_long",
    "host_not_allowed",
    "rate_limited",
    "too_many_connections",
    "headers_too_large",
    "internal",
    "dependency_down",
    "time_exceeded",
)
_SIGNED_IN: Final = ("unauthenticated", "forbidden", "locked_out", "quota_exhausted")
_QUERY: Final = ("invalid_parameter", "unknown_parameter")
_BODY: Final = (
    "csrf",
    "request_timeout",
    "too_large",
    "unsupported_media_type",
    "invalid_body",
    "unknown_field",
)
_LATER: Final = frozenset({408, 429, 503})
_WRITE: Final = ("conflict", "idempotency_in_flight", "idempotency_key_reused", "limits_degraded")


def problem_codes(operation: Operation[Any, Any]) -> list[str]:
    """Return every code that the operation may answer with."""
    codes = [*_ALWAYS, *_QUERY, *operation.problems]
    if operation.scope is not Scope.PUBLIC:
        codes += _SIGNED_IN
    if operation.method != "GET":
        codes += _BODY
    if operation.writes:
        codes += _WRITE
    if operation.secret_reply or operation.cost >= 50:
        codes.append("limits_degraded")
    return list(dict.fromkeys(codes))


def problem_answers(operation: Operation[Any, Any]) -> dict[str, Schema]:
    """Return the problems of an operation, by status."""
    return answers_of(problem_codes(operation))


def answers_of(codes: list[str]) -> dict[str, Schema]:
    """Return problems by status, with their codes."""
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(CODES[code][0], []).append(code)
    return {
        str(status): {
            "description": f"Problem; `code` is one of: {', '.join(sorted(found))}",
            "headers": _named("X-Request-Id", *(("Retry-After",) if status in _LATER else ())),
            "content": {"application/problem+json": {"schema": {"$ref": REF + "ProblemDocument"}}},
        }
        for status, found in sorted(by_status.items())
    }


def _header(description: str, kind: str = "string") -> Schema:
    return {"description": description, "schema": {"type": kind}}


HEADERS: Final[dict[str, Schema]] = {
    "X-Request-Id": _header("Leads to the log of this request; yours where you sent one"),
    "Retry-After": _header("Seconds after which it may go well", "integer"),
    "RateLimit-Policy": _header('Your limits: `"burst";q=20;w=1, "sustained";q=600;w=60`'),
    "RateLimit": _header('The tightest of them: `"sustained";r=583;t=41`, what is left and seconds until it is full'),
    "ETag": _header("Of these very bytes; send it as `If-None-Match`"),
    "Cache-Control": _header("How long your own cache may keep it"),
    "Idempotent-Replayed": _header("`true`: the answer of the first request with this key"),
    "Deprecation": _header("Since when it is deprecated: `@` and Unix seconds (RFC 9745)"),
    "Link": _header("Where the deprecation is explained"),
    "Sunset": _header("When it ends (RFC 8594)"),
}
"""Header fields of answers, as components of the document."""


def _named(*names: str) -> Schema:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def reading_headers(operation: Operation[Any, Any]) -> Schema:
    """Return the head of an answer that may be unchanged."""
    return _named("X-Request-Id", "ETag", "Cache-Control", "RateLimit-Policy", "RateLimit", *_ends(operation))


def writing_headers(operation: Operation[Any, Any]) -> Schema:
    """Return the head of every other answer."""
    replayed = ("Idempotent-Replayed",) if operation.writes else ()
    return _named("X-Request-Id", *replayed, "RateLimit-Policy", "RateLimit", *_ends(operation))


def _ends(operation: Operation[Any, Any]) -> list[str]:
    found = []
    if operation.deprecated_ns is not None:
        found += ["Deprecation", "Link"]
    if operation.sunset_ns is not None:
        found.append("Sunset")
    return found
