"""What went wrong, as RFC 9457 problem documents: a status, a stable code, and the fields at fault."""

import re
from typing import Final

import msgspec
from msgspec import Struct

MEDIA_TYPE: Final = "application/problem+json"


class FieldError(Struct, frozen=True, omit_defaults=True):
    """One field at fault."""

    field: str
    """A parameter, or a header; below a parameter with dots: `rule.within_s`, `rules[0].name`."""
    message: str
    pointer: str | None = None
    """Of a body: the same as a JSON pointer."""


class ProblemDocument(Struct, frozen=True, kw_only=True):
    """The body of every answer with a status from 400 on."""

    type: str
    """A stable name of the kind of problem; its end is `code`."""
    title: str
    status: int
    detail: str
    code: str
    """Stable, for programs."""
    doc_url: str
    """Where it is explained, on this server."""
    instance: str
    """The path that was asked for."""
    request_id: str
    retryable: bool
    """The same request may succeed later."""
    errors: tuple[FieldError, ...] = ()


CODES: Final = {
    "bad_request": (400, "The request is not understood"),
    "invalid_parameter": (400, "A parameter does not fit"),
    "unknown_parameter": (400, "There is no such parameter"),
    "unauthenticated": (401, "Nobody is signed in"),
    "forbidden": (403, "This is not allowed to you"),
    "origin_not_allowed": (403, "Pages of this origin may not ask"),
    "csrf": (403, "The page's token is missing"),
    "https_required": (403, "This is served over HTTPS only"),
    "unknown_symbol": (404, "The symbol is not known"),
    "unknown_venue": (404, "The venue does not show this symbol"),
    "unknown_signal": (404, "The signal is not known"),
    "not_found": (404, "There is no such resource"),
    "method_not_allowed": (405, "The resource does not offer this method"),
    "request_timeout": (408, "The request came too slowly"),
    "conflict": (409, "The resource is in another state"),
    "idempotency_in_flight": (409, "The same request is being done"),
    "too_large": (413, "The request is too large"),
    "uri_too_long": (414, "The address is too long"),
    "unsupported_media_type": (415, "The body is of another kind"),
    "host_not_allowed": (421, "This host name is not served"),
    "invalid_body": (422, "The body does not fit"),
    "unknown_field": (422, "There is no such field"),
    "idempotency_key_reused": (422, "The idempotency key belongs to another request"),
    "rate_limited": (429, "Too many requests"),
    "quota_exhausted": (429, "The quota is used up"),
    "too_many_connections": (429, "Too many connections"),
    "locked_out": (429, "Too many failed attempts"),
    "headers_too_large": (431, "The headers are too large"),
    "internal": (500, "The gateway failed"),
    "book_unavailable": (503, "There is no book yet"),
    "book_out_of_sync": (503, "The book is being rebuilt"),
    "dependency_down": (503, "A store does not answer"),
    "limits_degraded": (503, "This needs limits that cannot be counted now"),
    "time_exceeded": (503, "There was no answer in time"),
}
"""Every code with its status and title."""

_RETRYABLE: Final = frozenset(
    {
        "book_unavailable",
        "book_out_of_sync",
        "dependency_down",
        "idempotency_in_flight",
        "limits_degraded",
        "locked_out",
        "quota_exhausted",
        "rate_limited",
        "request_timeout",
        "time_exceeded",
        "too_many_connections",
    }
)


def retryable(code: str) -> bool:
    """Tell whether the same request may succeed later."""
    return code in _RETRYABLE


_OF_BODIES: Final = 422
_STEP: Final = re.compile(r"[^.\[\]]+")


def _pointed(error: FieldError) -> FieldError:
    """Return a field's fault with its place in the body: RFC 6901."""
    steps = () if error.field == "body" else _STEP.findall(error.field)
    path = "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)
    return FieldError(error.field, error.message, path)


class Problem(Exception):
    """Raised anywhere below a route; becomes the answer."""

    def __init__(
        self,
        code: str,
        detail: str,
        *errors: FieldError,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.code = code
        self.status, self.title = CODES[code]
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})
        if self.status == 401:
            self.headers.setdefault("WWW-Authenticate", 'Bearer realm="cryptosatx"')
        if code in _RETRYABLE:
            self.headers.setdefault("Retry-After", "2")

    def document(self, instance: str, request_id: str) -> ProblemDocument:
        """Return the body for one request."""
        return ProblemDocument(
            type=f"urn:cryptosatx:problem:{self.code}",
            title=self.title,
            status=self.status,
            detail=self.detail,
            code=self.code,
            doc_url=f"/problems#{self.code}",
            instance=instance,
            request_id=request_id,
            retryable=retryable(self.code),
            errors=self.errors if self.status != _OF_BODIES else tuple(map(_pointed, self.errors)),
        )

    def encode(self, instance: str, request_id: str) -> bytes:
        """Return the body's bytes."""
        return msgspec.json.encode(self.document(instance, request_id))


def field_problem(code: str, field: str, message: str) -> Problem:
    """Return a problem about one field."""
    return Problem(code, f"{field}: {message}", FieldError(field, message))
