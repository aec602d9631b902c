"""What the document says of the routes beside the registry that are for programs. Pure."""

from typing import Any, Final

from msgspec import Struct

from services.gateway.contracts.answers import answers_of
from services.gateway.contracts.schemas import Schema, Schemas
from services.gateway.schemas.probes import Liveness, Readiness

_CODES: Final = [
    "bad_request",
    "method_not_allowed",
    "host_not_allowed",
    "uri_too_long",
    "headers_too_large",
    "internal",
]
_LIMITED: Final = ["rate_limited", "too_many_connections"]


class Probe(Struct, frozen=True):
    """One such route, asked by GET."""

    path: str
    operation_id: str
    summary: str
    detail: str
    answers: dict[int, Any]
    """Status to type."""


class Probes(Struct, frozen=True):
    """All of them."""

    rows: tuple[Probe, ...]

    @property
    def types(self) -> list[Any]:
        """The types of their answers."""
        return [kind for row in self.rows for kind in row.answers.values()]

    def paths(self, schemas: Schemas) -> dict[str, Schema]:
        """Return their part of the document's paths."""
        return {row.path: {"get": _shown(row, schemas)} for row in self.rows}


def _shown(row: Probe, schemas: Schemas) -> Schema:
    answers = {
        str(status): {"description": row.summary, "content": {"application/json": {"schema": schemas.of(kind)}}}
        for status, kind in row.answers.items()
    }
    return {
        "operationId": row.operation_id,
        "summary": row.summary,
        "description": row.detail,
        "tags": ["system"],
        "security": [],
        "responses": answers_of([*_CODES, *_LIMITED]) | answers,
    }


PROBES: Final = Probes(
    (
        Probe("/livez", "livez", "The process lives", "Answers while the event loop turns.", {200: Liveness}),
        Probe(
            "/readyz",
            "readyz",
            "Requests can be served",
            "503 with the reasons while a store or the broker does not answer, or a projection does not move.",
            {200: Readiness, 503: Readiness},
        ),
    )
)
