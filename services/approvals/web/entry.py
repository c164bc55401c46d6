"""In and out of the dashboard: by API key, or by a link that works once."""

from typing import Annotated

import structlog
from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from services.approvals.api.access import LOOK, CallerHere, DepsHere
from services.approvals.api.cookies import drop_session, set_session
from services.approvals.deps import Deps
from services.approvals.domain.audit import Entry
from services.approvals.domain.principals import Principal
from services.approvals.store.sessions import MOST_DAYS
from services.approvals.web.pages import LOGIN, Web, is_page, page, render, see_other, waiting_for

router = APIRouter()
log = structlog.get_logger()

WRONG_KEY = "This API key is not known. Keys begin with tg_ or are the one in keys.json; an admin can make a new one."
WRONG_LINK = "This link was used already, or is older than five minutes. `taskgrove open` makes a new one; an API key works as well."
TOO_OFTEN = "Too many failed logins. Wait a minute, then try again."
STALE = "Your session is over. Log in to go on where you were."
OUT = "You are logged out."
SECONDS = MOST_DAYS * 24 * 3_600
"""Of the cookie: when a session ends is decided by the store alone, which renews it."""
TAKEN_BY_POST = ("/start", "/discard")

Secret = Annotated[str, Form(max_length=200)]
Back = Annotated[str, Form(max_length=2_000)]


@router.get(LOGIN)
async def ask(request: Request, *, token: str = "", next: str = "/", stale: bool = False, out: bool = False) -> Response:  # noqa: A002
    """The form. A link is not used up by looking at it: its page sends the token by POST."""
    if request.scope.get("session") and not token:
        return see_other(back_to(next))
    said = STALE if stale else OUT if out else ""
    return await page(request, "login.html", token=token, at_once=_of_own_will(request), back=back_to(next), problem="", said=said)


@router.post(LOGIN)
async def enter(request: Request, deps: DepsHere, *, key: Secret = "", token: Secret = "", next: Back = "/") -> Response:  # noqa: A002
    """Log in, and go to where one wanted to go."""
    web: Web = request.app.state.web
    address = request.client.host if request.client else "unknown"
    who = await (deps.sessions.follow(token) if token else deps.principals.who(key.strip()))
    # Only who fails is turned away: behind a proxy all people have one address, and one of them could lock the others out.
    if who is None and web.throttle.is_closed(address):
        log.warning("login.throttled", address=address)
        return _refused(request, TOO_OFTEN, 429, back=next)
    if who is None:
        log.warning("login.refused", by="link" if token else "key", address=address)
        if web.throttle.failed(address):
            await deps.audit.add(Entry("unknown", "login.refused", "session", {"by": "link" if token else "key", "address": address}))
        return _refused(request, WRONG_LINK if token else WRONG_KEY, 401, back=next)
    return await _let_in(request, deps, who, by="link" if token else "key", back=back_to(next))


@router.post("/logout")
async def leave(request: Request, deps: DepsHere, caller: CallerHere) -> Response:
    """End the session, here and in the store."""
    if secret := request.scope.get("session"):
        await deps.audit.add(Entry(caller.name, "logout", "session"))
        await deps.sessions.close(secret)
    answer = see_other(f"{LOGIN}?out=1")
    drop_session(answer, request.scope)
    return answer


@router.get("/ui/waiting", dependencies=[LOOK])
async def waiting(request: Request, caller: CallerHere) -> Response:
    """How much waits for whoever looks, as the number beside Inbox."""
    return render(request, "waiting.html", waiting=await waiting_for(request, caller))


@router.get("/favicon.ico")
async def favicon(request: Request) -> Response:
    """Where browsers look first."""
    web: Web = request.app.state.web
    return RedirectResponse(web.assets.url("favicon.svg"), 308)


def back_to(url: str) -> str:
    """`url` if it is a page of ours that can be looked at, else the first page: a link to us must not lead elsewhere."""
    is_local = url.startswith("/") and not url.startswith("//") and url.isprintable() and "\\" not in url
    path = url.partition("?")[0]
    is_shown = is_page(path) and path not in (LOGIN, "/logout") and not path.startswith("/ui/") and not path.endswith(TAKEN_BY_POST)
    return url if is_local and is_shown else "/"


def _of_own_will(request: Request) -> bool:
    """Whether no other site led here: it could log somebody in as itself, and would then see what they submit and decide."""
    return request.headers.get("sec-fetch-site", "none") in ("none", "same-origin")


async def _let_in(request: Request, deps: Deps, who: Principal, *, by: str, back: str) -> Response:
    await deps.audit.add(Entry(who.name, "login", "session", {"by": by}))
    if former := request.scope.get("session"):
        await deps.sessions.close(former)
    opened = await deps.sessions.open(who.name)
    log.info("login", who=who.name, by=by)
    answer = see_other(back)
    set_session(answer, request.scope, opened.secret, seconds=SECONDS)
    return answer


def _refused(request: Request, problem: str, status: int, *, back: str) -> Response:
    return render(request, "login.html", status=status, token="", at_once=False, back=back_to(back), problem=problem, said="")
