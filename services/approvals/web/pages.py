"""How a page is made: templates with autoescape, one policy of what a browser may load, and who is looking."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from services.approvals.api.access import deps_of
from services.approvals.domain.principals import ADMIN, APPROVER, ROLES, SUBMITTER, Principal
from services.approvals.store.approvals import open_to
from services.approvals.web import words
from services.approvals.web.assets import URL, Assets
from services.approvals.web.throttle import Throttle
from shared.clock import Clock

TEMPLATES = Path(__file__).parent / "templates"
LOGIN = "/login"
PAGES = ("/runs/", "/inbox/", "/ui/")
EXACT = ("/", "/runs", "/inbox", "/submit", LOGIN, "/logout", "/favicon.ico")
POLICY = "; ".join(
    (
        "default-src 'none'",
        *(f"{what}-src 'self'" for what in ("script", "style", "img", "connect", "font")),
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

# Not no-referrer: with that a browser sends `Origin: null` even to where the form came from.
SAFE = {"Content-Security-Policy": POLICY, "Referrer-Policy": "same-origin"}


@dataclass(frozen=True, slots=True)
class Web:
    """What all pages are made with; built once."""

    templates: Environment
    assets: Assets
    throttle: Throttle

    @classmethod
    def build(cls, clock: Clock) -> "Web":
        """From the files beside this one."""
        assets = Assets()
        templates = Environment(
            loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
            auto_reload=False,
        )  # fmt: skip
        templates.filters |= words.FILTERS
        templates.globals |= {"asset": assets.url}
        return cls(templates, assets, Throttle(clock))


def is_page(path: str) -> bool:
    """Whether people look at this in a browser: what goes wrong there is told as a page, not as a problem document."""
    return path in EXACT or path.startswith(PAGES)


def is_open(path: str) -> bool:
    """Whether anybody may see this: only what is needed to log in."""
    return path in (LOGIN, "/favicon.ico") or path.startswith(URL)


def wants_fragment(request: Request) -> bool:
    """Whether htmx asks, and takes a part of a page."""
    return request.headers.get("hx-request") == "true"


async def page(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A whole page, for whoever is logged in. Templates extend `base.html`."""
    who: Principal | None = request.scope.get("principal")
    waiting = await waiting_for(request, who) if who else 0
    return render(request, template, status=status, waiting=waiting, **values)


def render(request: Request, template: str, *, status: int = 200, headers: Mapping[str, str] | None = None, **values: Any) -> HTMLResponse:
    """A page or a part of one, from values alone."""
    web: Web = request.app.state.web
    who: Principal | None = request.scope.get("principal")
    about = {"who": who, "csrf": request.scope.get("csrf", ""), "path": request.url.path, "may": may(who), "waiting": 0}
    text = web.templates.get_template(template).render(**{**about, **values})
    return HTMLResponse(text, status, headers={**SAFE, **(headers or {})})


def see_other(url: str) -> Response:
    """Go there now: the answer to a form that was taken."""
    return RedirectResponse(url, 303)


def go_to(request: Request, url: str) -> Response:
    """Lead the whole page there, whether a browser asks or htmx in it."""
    if wants_fragment(request):
        return Response(status_code=204, headers={"HX-Redirect": url})
    return see_other(url)


def login_url(back: str, *, stale: bool) -> str:
    """The login page, which leads back afterwards."""
    after = f"?next={quote(back, safe='/')}" if back not in ("", "/") else ""
    return f"{LOGIN}{after}{('&' if after else '?') + 'stale=1' if stale else ''}"


def may(who: Principal | None) -> dict[str, bool]:
    """What the buttons on a page depend on; the routes check it again."""
    roles = {"look": ROLES, "submit": (SUBMITTER,), "approve": (APPROVER,), "order": (APPROVER, SUBMITTER), "administer": (ADMIN,)}
    return {name: bool(who and who.has(*needed)) for name, needed in roles.items()}


async def waiting_for(request: Request, who: Principal) -> int:
    """How many questions wait for an answer of this person."""
    if not who.has(APPROVER):
        return 0
    deps = deps_of(request)
    return await deps.approvals.collection.count(open_to(who))
