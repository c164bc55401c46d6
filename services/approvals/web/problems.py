"""What goes wrong on a page is told as a page; in a part that htmx asked for, as a note above it; everywhere else as a problem document."""

from urllib.parse import urlsplit

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from services.approvals.api import problems
from services.approvals.api.cookies import drop_session, session_of
from services.approvals.web.pages import go_to, is_page, login_url, render, wants_fragment
from shared.contracts.views import Problem
from shared.errors import TaskgroveError, Unauthorized

INTO_NOTICE = {"HX-Retarget": "#notice", "HX-Reswap": "innerHTML"}


async def refuse(error: TaskgroveError, request: Request) -> Response:
    """What the gate answers to whom it turns away. From a page one comes to the login, and from there back."""
    if not is_page(request.url.path):
        return problems.answer_to(error, request.url.path)
    if not isinstance(error, Unauthorized):
        return _shown(request, problems.answer_to(error, request.url.path))
    stale = session_of(request.headers) is not None
    answer = go_to(request, login_url(_where(request), stale=stale))
    if stale:
        drop_session(answer, request.scope)
    return answer


async def on_error(request: Request, error: Exception) -> Response:
    """One of our own errors."""
    return _shown(request, await problems.on_error(request, error))


async def on_invalid(request: Request, error: Exception) -> Response:
    """A request that is not as it must be."""
    if not isinstance(error, RequestValidationError):
        return await on_error(request, error)
    return _shown(request, await problems.on_invalid(request, error))


async def on_http(request: Request, error: Exception) -> Response:
    """What the framework refuses."""
    if not isinstance(error, HTTPException):
        return await on_error(request, error)
    return _shown(request, await problems.on_http(request, error))


def _shown(request: Request, answer: Response) -> Response:
    """The problem as people read it, where people look."""
    if not is_page(request.url.path):
        return answer
    problem = Problem.model_validate_json(bytes(answer.body))
    part = wants_fragment(request)
    kept = {name: value for name, value in answer.headers.items() if name in ("retry-after", "allow")}
    return render(
        request,
        "problem_note.html" if part else "problem.html",
        status=answer.status_code,
        headers={**kept, **(INTO_NOTICE if part else {})},
        problem=problem,
    )


def _where(request: Request) -> str:
    """The page that somebody was on."""
    url = urlsplit(request.headers.get("hx-current-url", "") if wants_fragment(request) else str(request.url))
    return url.path + (f"?{url.query}" if url.query else "")
