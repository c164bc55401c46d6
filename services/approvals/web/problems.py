"""What goes wrong on a page is told as a page; in a part that htmx asked for, as a note above it; everywhere else as a problem document."""

from urllib.parse import urlsplit

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from services.approvals.api import problems
from services.approvals.api.cookies import drop_session, session_of
from services.approvals.api.gate import READING
from services.approvals.web.choosing import Draft
from services.approvals.web.pages import is_page, login_url, render, see_other, wants_fragment
from shared.contracts.views import Problem
from shared.errors import TaskgroveError, Unauthorized

OVER = "Your session is over. Log in in another tab, then go on here; what you typed is still here."
INTO_NOTICE = {"HX-Retarget": "#notice", "HX-Reswap": "innerHTML", "HX-Reselect": ".note"}


async def refuse(error: TaskgroveError, request: Request) -> Response:
    """What the gate answers to whom it turns away. A page leads to the login and from there back; a part of one only says so.

    htmx asks by itself every few seconds: if that led away, what somebody is typing would be lost.
    """
    if not is_page(request.url.path):
        return problems.answer_to(error, request.url.path)
    if not isinstance(error, Unauthorized):
        return _shown(request, problems.answer_to(error, request.url.path))
    if wants_fragment(request):
        return _shown(request, problems.answer_to(Unauthorized(OVER), request.url.path))
    stale = session_of(request.headers) is not None
    answer = see_other(login_url(_where(request), stale=stale))
    if stale:
        drop_session(answer, request.scope)
    return answer


async def on_error(request: Request, error: Exception, *, draft: Draft | None = None) -> Response:
    """One of our own errors; with what somebody wrote, which is not lost by it."""
    return _shown(request, await problems.on_error(request, error), draft=draft)


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


def _shown(request: Request, answer: Response, *, draft: Draft | None = None) -> Response:
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
        draft=draft,
    )


def _where(request: Request) -> str:
    """The page that somebody was on; of a form that was sent, the one that it is on: what takes the form shows nothing by itself."""
    try:
        url = urlsplit(str(request.url) if request.method in READING else request.headers.get("referer", ""))
    except ValueError:  # a header is what anybody sends
        return ""
    return url.path + (f"?{url.query}" if url.query else "")
