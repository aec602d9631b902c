"""Every code of a problem, explained for who meets it: a page of this server, and one of the documentation. Pure."""

from html import escape
from typing import Final

from services.gateway.problems import CODES, retryable

EXPLAINED: Final[dict[str, str]] = {
    "bad_request": "The request could not be read: a body that is no JSON, or nested deeper than 32; a query with more "
    "than 100 parameters; a head that contradicts itself. Repair the request.",
    "invalid_parameter": "A parameter of the path, the query or the head has a value that does not fit; `errors` names "
    "it and says what would. A cursor belongs to the list that gave it.",
    "unknown_parameter": "The query names a parameter that the operation does not have. Nothing is ignored, so that a "
    "misspelt filter does not look like one that found nothing.",
    "unauthenticated": "No key or token was sent where one is needed, or what was sent opens nothing: mistyped, "
    "revoked, expired. Send `Authorization: Bearer csx_live_...`.",
    "forbidden": "You are known, and this is not yours to do; `detail` names the scope that is missing.",
    "origin_not_allowed": "A web page of another origin asked for a change. The operator lists such origins in "
    "`CSX_GATEWAY_ALLOWED_ORIGINS`.",
    "csrf": "A signed-in browser must prove that its page asks: send the session's `csrf` as `X-CSRF-Token` with every "
    "change. Programs with a key need none.",
    "https_required": "This server is asked over HTTPS, and this came in the clear. Nothing was done; a key that was "
    "sent this way may have been read: rotate it.",
    "unknown_symbol": "No venue has shown this symbol. `/v1/markets` lists the symbols that are known.",
    "unknown_venue": "The symbol is known, but not at this venue; `errors` names the venues that show it.",
    "unknown_signal": "No signal has this id. `/v1/signals` lists them.",
    "not_found": "There is nothing at this path, or the thing it names is not there or not yours. `/openapi.json` "
    "lists the paths.",
    "method_not_allowed": "The path exists, without this method; the header `Allow` names those it has.",
    "request_timeout": "The body was not whole within 10 s. Send it again, faster or smaller.",
    "conflict": "The resource is in a state in which this cannot be done; `detail` says which. Read it again first.",
    "idempotency_in_flight": "A request with the same `Idempotency-Key` is being done at this moment. Ask again for "
    "its answer.",
    "too_large": "The body has more than 256 KiB.",
    "uri_too_long": "Path and query have more than 8 KiB together.",
    "unsupported_media_type": "Bodies are `application/json`, without `Content-Encoding`.",
    "host_not_allowed": "The header `Host` names a machine that this server does not answer for. The operator lists "
    "them in `CSX_GATEWAY_ALLOWED_HOSTS`.",
    "invalid_body": "The body is JSON, and a field does not fit; `errors` names each with its JSON pointer.",
    "unknown_field": "The body has a field that the operation does not have, or one that stands in the path.",
    "idempotency_key_reused": "This `Idempotency-Key` was used for another request within a day. A new request needs "
    "a new key.",
    "rate_limited": "Too much was asked in a short time; wait for `Retry-After` seconds. `RateLimit-Policy` names the "
    "limits, `RateLimit` what is left.",
    "quota_exhausted": "What the key may use in a day is used up; `Retry-After` says when there is some again.",
    "too_many_connections": "Too many requests, bodies or streams are open at once, of all or of your address. Close "
    "some, or try again.",
    "locked_out": "Too many refused credentials came from your address; it is locked for a while, also for good ones.",
    "headers_too_large": "The headers have more than 16 KiB together.",
    "internal": "A fault of ours. The `request_id` leads to its log; report it.",
    "book_unavailable": "No snapshot of this book has come yet.",
    "book_out_of_sync": "A piece of this book's sequence was lost; it is shown again from the next snapshot on.",
    "dependency_down": "PostgreSQL, Redis or the broker does not answer. Try again; `/readyz` says which.",
    "limits_degraded": "This is only done while limits are counted for all servers together, and Redis is away.",
    "time_exceeded": "There was no answer in the time that this operation is given. What was being written is undone; "
    "with an `Idempotency-Key` it can be tried again.",
}
"""Code to what it means and what to do."""


def markdown() -> str:
    """Return `docs/api-problems.md`."""
    rows = [
        f"| `{code}` | {status} | {'yes' if retryable(code) else 'no'} | {EXPLAINED[code]} |"
        for code, (status, _) in CODES.items()
    ]
    return _HEAD + "\n".join(rows) + "\n"


_HEAD: Final = """# Problems

Every answer with a status of 400 or more is a document of RFC 9457, `application/problem+json`: `type` and `code` name
what went wrong for programs and do not change, `detail` tells people, `errors` names the fields at fault (a body's
with JSON pointers), `request_id` leads to the log, and `retryable` says whether the same request may succeed later. A
server explains its codes at `/problems`, where `doc_url` leads. The table is made by `contracts/explained.py`.

| code | status | again? | meaning |
|---|---|---|---|
"""


def page() -> str:
    """Return the page that `doc_url` leads to."""
    return f"{_PAGE}{''.join(map(_section, CODES))}</main></body></html>"


_PAGE: Final = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>CryptoSatX: problems</title>'
    '<link rel="stylesheet" href="/style.css"></head><body><main><h1>Problems</h1>'
)


def _section(code: str) -> str:
    status, title = CODES[code]
    again = "The same request may succeed later." if retryable(code) else "Sent again, it fails again."
    return (
        f'<section id="{code}"><h2>{status} <code>{code}</code></h2>'
        f"<p>{escape(title)}. {_marked(EXPLAINED[code])}</p><p>{again}</p></section>"
    )


def _marked(text: str) -> str:
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))
