"""Errors as RFC 9457 problem documents that name the field and the way out; never a stack trace."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
import structlog
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from shared.contracts.views import Problem
from shared.errors import IllegalMove, TaskgroveError, Unauthorized, Unavailable, VersionMismatch

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = "2"
UNKNOWN = "there is no such field; /openapi.json lists those that there are"
AWAY = "the broker or the store does not answer; nothing is lost, try again in a moment"

log = structlog.get_logger()


def problem(status: int, detail: str, *, path: str, headers: Mapping[str, str] | None = None, **more: Any) -> Response:
    """A problem as an answer."""
    document = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, instance=path, **more)
    body = orjson.dumps(document.model_dump(mode="json", by_alias=True, exclude_none=True))
    return Response(body, status, media_type=MEDIA_TYPE, headers=dict(headers or {}))


def answer_to(error: TaskgroveError, path: str) -> Response:
    """What the client is told of one of our own errors. Of those that are our fault: only that it is in the log."""
    status, more = error.http_status, dict[str, Any]()
    headers: dict[str, str] = {}
    if isinstance(error, Unauthorized):
        headers = {"WWW-Authenticate": "Bearer"}
    elif isinstance(error, Unavailable):
        headers = {"Retry-After": RETRY_AFTER}
        log.warning("http.unavailable", path=path, error=str(error))
        return problem(status, AWAY, path=path, headers=headers)
    elif isinstance(error, IllegalMove):
        more = {"legal": tuple(error.legal)}
    elif isinstance(error, VersionMismatch):
        headers, more = {"ETag": f'"{error.current}"'}, {"errors": ({"field": "If-Match", "current": error.current},)}
    elif status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return broken(error, path)
    return problem(status, str(error), path=path, headers=headers, **more)


def broken(error: Exception, path: str) -> Response:
    """The answer to what should not have happened."""
    log.error("http.failed", path=path, exc_info=error)
    return problem(500, "something went wrong here; the log of the approvals service tells what", path=path)


async def on_error(request: Request, error: Exception) -> Response:
    """One of our own errors."""
    return answer_to(error, request.url.path) if isinstance(error, TaskgroveError) else broken(error, request.url.path)


async def on_invalid(request: Request, error: Exception) -> Response:
    """A request that is not as it must be: each field that is wrong, with why."""
    found = error.errors() if isinstance(error, RequestValidationError) else ()
    errors = tuple(
        {"field": _field(one["loc"]), "message": UNKNOWN if one["type"] == "extra_forbidden" else one["msg"]} for one in found[:20]
    )
    detail = "; ".join(f"{one['field']}: {one['message']}" for one in errors)
    return problem(422, detail, path=request.url.path, errors=errors)


async def on_http(request: Request, error: Exception) -> Response:
    """What the framework refuses: an unknown path, a wrong method, a body that is no text."""
    if not isinstance(error, HTTPException):
        return broken(error, request.url.path)
    detail = error.detail
    if error.status_code == HTTPStatus.NOT_FOUND:
        detail = f"nothing is served at {request.url.path}; /openapi.json lists what is"
    elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        detail = f"{request.method} is not possible at {request.url.path}; /openapi.json lists what is"
    return problem(error.status_code, detail, path=request.url.path, headers=error.headers)


def _field(loc: tuple[int | str, ...]) -> str:
    places = loc[1:] if loc and loc[0] in ("body", "query", "path", "header") else loc
    return ".".join(str(part) for part in places) or "body"
