"""Problem details (RFC 9457): every error of the HTTP interface is one of these, with a stable `code`."""

from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from adapters.http.telemetry import CODE, ERROR
from domain.refusals import Refusal

_QUOTED_CHARS_MAX = 200
"""How much of what was sent is quoted in a problem."""

STATUS: dict[str, int] = {
    # of the domain (domain/refusals.py)
    "invalid_command": 422,
    "invalid_name": 422,
    "invalid_arguments": 422,
    "text_empty": 422,
    "text_too_long": 422,
    "batch_empty": 422,
    "batch_too_large": 422,
    "times_reversed": 422,
    "evidence_unknown": 422,
    "unauthenticated": 401,
    "forbidden": 403,
    "agent_exists": 409,
    "agent_not_found": 404,
    "space_exists": 409,
    "space_not_found": 404,
    "chunk_differs": 409,
    "action_not_found": 404,
    "person_not_found": 404,
    "person_erased": 409,
    "person_unsealed": 409,
    "action_not_proposed": 409,
    "action_not_approved": 409,
    "action_not_started": 409,
    "approval_mismatch": 409,
    "lease_held": 409,
    "lease_lost": 409,
    "idempotency_key_reused": 422,
    "idempotency_key_in_flight": 409,
    "version_mismatch": 412,
    "conflict": 409,
    "overloaded": 503,
    "log_unavailable": 503,
    "keys_unavailable": 503,
    # of this interface
    "invalid_json": 400,
    "invalid_cursor": 400,
    "invalid_as_of": 400,
    "invalid_etag": 400,
    "as_of_ahead": 400,
    "idempotency_key_missing": 400,
    "idempotency_key_invalid": 400,
    "must_refetch": 409,
    "invalid_request": 422,
    "body_too_large": 413,
    "body_timeout": 408,
    "unsupported_media_type": 415,
    "topic_not_found": 404,
    "stream_not_found": 404,
    "not_found": 404,
    "method_not_allowed": 405,
    "projection_behind": 503,
    "as_of_building": 503,
    "projection_failed": 500,
    "build_running": 409,
    "unavailable": 503,
    "not_ready": 503,
    "internal_error": 500,
}


class Problem(BaseModel):
    """`application/problem+json`. `type` is `urn:stele:problem:<code>`."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: list[dict[str, Any]] | None = None
    """For `invalid_request`: where (`at`) and what was wrong."""
    reason: str | None = None
    """For `must_refetch`: why."""
    problems: list[str] | None = None
    """For `not_ready`: everything that keeps the hub from serving."""


class ProblemError(Exception):
    """Raised anywhere below a route; becomes a problem response."""

    def __init__(self, code: str, detail: str, **members: Any) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.members = members


class _Answer(Response):
    """Leaves its code where the request is seen as a whole."""

    media_type = "application/problem+json"

    def __init__(self, code: str, content: bytes, status: int, headers: dict[str, str]) -> None:
        super().__init__(content, status, headers)
        self._code = code

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[CODE] = self._code
        await super().__call__(scope, receive, send)


def problem(code: str, detail: str, *, retry_after_seconds: float | None = None, **members: Any) -> Response:
    """The response for a code of `STATUS`."""
    status = STATUS[code]
    body = {
        "type": f"urn:stele:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        **members,
    }
    headers = {}
    if retry_after_seconds is not None:
        headers["Retry-After"] = str(max(1, round(retry_after_seconds)))
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="stele"'
    return _Answer(code, msgspec.json.encode(body), status, headers)


def install(app: FastAPI) -> None:
    """Turn every error into a problem; nothing else leaves the interface, least of all a stack trace."""
    app.add_exception_handler(Refusal, _on_refusal)
    app.add_exception_handler(ProblemError, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_anything)


async def _on_refusal(_: Request, error: Exception) -> Response:
    if not isinstance(error, Refusal):
        raise error
    return problem(error.code, error.detail, retry_after_seconds=error.retry_after_seconds)


async def _on_problem(_: Request, error: Exception) -> Response:
    if not isinstance(error, ProblemError):
        raise error
    return problem(error.code, error.detail, **error.members)


async def _on_validation(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    found = error.errors()
    errors = [
        {"at": _printable(".".join(str(part) for part in e["loc"])), "what": _printable(e["msg"])} for e in found[:20]
    ]
    if any(e["type"] == "json_invalid" for e in found):
        return problem("invalid_json", "the body is not JSON", errors=errors)
    if isinstance(error.body, bytes) and any(e["loc"] == ("body",) for e in found):
        sent = _printable(request.headers.get("content-type", "nothing"))
        return problem("unsupported_media_type", f"the body is JSON, with Content-Type: application/json; not {sent}")
    return problem("invalid_request", f"{errors[0]['at']}: {errors[0]['what']}", errors=errors)


def _printable(text: str) -> str:
    """What was sent is quoted, but not at any length; and half of a surrogate pair is no UTF-8."""
    return text.removeprefix("Value error, ")[:_QUOTED_CHARS_MAX].encode("utf-8", "replace").decode()


async def _on_http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    asked = f"{request.method} {request.scope['path'][:_QUOTED_CHARS_MAX]}"
    match error.status_code:
        case HTTPStatus.NOT_FOUND:
            return problem("not_found", f"there is no {asked}; /openapi.json lists what there is")
        case HTTPStatus.METHOD_NOT_ALLOWED:
            response = problem("method_not_allowed", f"there is no {asked}; `Allow` lists the methods of this path")
            response.headers.update(error.headers or {})
            return response
        case HTTPStatus.BAD_REQUEST:
            return problem("invalid_json", "the body is not JSON")
        case HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return problem("body_too_large", str(error.detail))
    return problem("internal_error", "the hub failed; its log has the details")


async def _on_anything(request: Request, error: Exception) -> Response:
    request.scope[ERROR] = error  # told in the log with the request; its words go nowhere
    if type(error).__module__.split(".")[0] in ("psycopg", "psycopg_pool", "nats"):
        response = problem(
            "unavailable", "a part of the hub cannot be reached just now; try again", retry_after_seconds=2
        )
    else:
        response = problem("internal_error", "the hub failed; its log has the details")
    response.headers["Connection"] = "close"  # the server drops the connection after such an error; say so before
    return response
