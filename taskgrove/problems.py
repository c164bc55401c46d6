"""From an HTTP answer to the error that it stands for: callers of the client see the same errors as those inside the house."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import httpx2
from pydantic import ValidationError

from shared.contracts.views import Problem
from shared.errors import (
    BadInput,
    Conflict,
    Forbidden,
    IllegalMove,
    LimitExceeded,
    NotFound,
    TaskgroveError,
    Unauthorized,
    Unavailable,
    VersionMismatch,
)

KINDS: dict[int, Callable[[str], TaskgroveError]] = {
    HTTPStatus.BAD_REQUEST: BadInput,
    HTTPStatus.UNAUTHORIZED: Unauthorized,
    HTTPStatus.FORBIDDEN: Forbidden,
    HTTPStatus.NOT_FOUND: NotFound,
    HTTPStatus.CONFLICT: Conflict,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: LimitExceeded,
    HTTPStatus.UNPROCESSABLE_ENTITY: BadInput,
    HTTPStatus.TOO_MANY_REQUESTS: Unavailable,
    HTTPStatus.BAD_GATEWAY: Unavailable,
    HTTPStatus.SERVICE_UNAVAILABLE: Unavailable,
    HTTPStatus.GATEWAY_TIMEOUT: Unavailable,
}
MOST_TEXT = 500
COMMANDS = {
    "GET /tasks lists those that there are": "`taskgrove status` lists the runs, and shows the tasks of one",
    "GET /approvals?state=all lists those that there are": "`taskgrove inbox --all` lists those that there are",
    "GET /quarantine lists what is": "`taskgrove quarantine list` shows what is",
    "an admin makes one by POST /principals": "set TASKGROVE_KEY to one that is",
}
"""What the service advises to those who speak HTTP, and what does the same for those who do not."""


def error_of(response: httpx2.Response) -> TaskgroveError:
    """The error that this answer reports. Its body, if it has one, must have been read."""
    problem = _problem(response)
    message = _message(problem, response)
    if problem and problem.legal is not None:
        return IllegalMove(_with_legal(message, list(problem.legal)), legal=list(problem.legal))
    if response.status_code == HTTPStatus.PRECONDITION_FAILED:
        return VersionMismatch(message, current=_version(response))
    if response.status_code == HTTPStatus.UNAUTHORIZED and not problem:
        message += ": set TASKGROVE_KEY to a valid API key"
    return KINDS.get(response.status_code, TaskgroveError)(message)


def _problem(response: httpx2.Response) -> Problem | None:
    try:
        return Problem.model_validate_json(response.content)
    except ValidationError:
        return None


def _message(problem: Problem | None, response: httpx2.Response) -> str:
    if problem is None:
        said = response.text.strip()[:MOST_TEXT]
        return f"{response.request.url} answered {response.status_code} {response.reason_phrase}" + (f": {said}" if said else "")
    detail = problem.detail or problem.title
    for request, command in COMMANDS.items():
        detail = detail.replace(request, command)
    lines = [detail, *(_line(one) for one in problem.errors)]
    return "\n".join(line for line in dict.fromkeys(lines) if line)


def _line(error: dict[str, Any]) -> str:
    """One field that was refused; services name it `field`, or `loc` as pydantic does."""
    where = error.get("field") or error.get("pointer") or ".".join(str(part) for part in error.get("loc", ()))
    what = error.get("detail") or error.get("message") or error.get("msg") or ""
    return f"{where}: {what}" if where else str(what)


def _with_legal(message: str, legal: list[str]) -> str:
    """The message, which ends with what is possible unless it says so already."""
    if not legal or all(action in message for action in legal):
        return message
    return f"{message}; possible now: {', '.join(legal)}"


def _version(response: httpx2.Response) -> int:
    """The version that is there now, from the ETag; 0: it does not say."""
    tag = response.headers.get("etag", "").removeprefix("W/").strip('"')
    return int(tag) if tag.isdigit() else 0
