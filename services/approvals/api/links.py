"""`POST /links`: a link that logs whoever asks in with a browser, once. What `taskgrove up` and `taskgrove open` open."""

from datetime import datetime

import structlog
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.approvals.api.access import LOOK, CallerHere, DepsHere
from services.approvals.api.answers import answer
from services.approvals.domain.audit import Entry
from services.approvals.domain.submitting import moment
from shared.contracts.base import Value
from shared.errors import Forbidden

router = APIRouter(tags=["principals"])
log = structlog.get_logger()


class LinkView(Value):
    """The link's path, which works once, and until when it works."""

    path: str
    expires_at: datetime


@router.post("/links", status_code=201, dependencies=[LOOK], response_model=LinkView)
async def create(request: Request, deps: DepsHere, caller: CallerHere) -> Response:
    """A link for the owner of the key; not for a session, which would never end so."""
    if request.scope.get("session"):
        raise Forbidden("a session cannot make a link to another session; use the API key")
    await deps.audit.add(Entry(caller.name, "login.link", "session"))
    link = await deps.sessions.link(caller.name)
    return answer({"path": f"/login?token={link.secret}", "expiresAt": moment(link.until)}, 201)
