"""What went wrong below a surface to the problem that says so; what nobody foresaw is logged with its request id."""

import logging

from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException

from services.gateway.outages import OURS, OUTAGES
from services.gateway.problems import Problem, field_problem
from services.gateway.store.cursor import CursorError

log = logging.getLogger(__name__)


def problem_of(error: Exception, request_id: str) -> Problem:
    """Return the problem that tells of `error`."""
    match error:
        case Problem():
            return error
        case CursorError():
            return field_problem("invalid_parameter", "cursor", str(error))
        case HTTPException() if error.status_code < 500:
            return _of_router(error)
    if isinstance(error, OUTAGES) and not isinstance(error, OURS):
        log.warning("a store does not answer", extra={"error": repr(error)})
        return Problem("dependency_down", "a store does not answer; try again")
    log.error("a request failed", exc_info=error, extra={"request_id": request_id})
    return Problem("internal", "the gateway failed; the request id leads to its log")


def _of_router(error: HTTPException) -> Problem:
    match error:
        case NotFoundException():
            return Problem("not_found", "there is nothing at this path: see /openapi.json")
        case MethodNotAllowedException():
            return Problem("method_not_allowed", "see /openapi.json", headers=dict(error.headers or {}))
    return Problem("bad_request", error.detail)
