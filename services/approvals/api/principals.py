"""Who is let in. For admins; a key is shown once, when it is made."""

from datetime import datetime
from typing import Any

import structlog
from fastapi import APIRouter
from starlette.responses import Response

from services.approvals.api.access import CallerHere, DepsHere, requires
from services.approvals.api.answers import answer
from services.approvals.api.bodies import PrincipalBody
from services.approvals.domain.audit import Entry
from services.approvals.domain.principals import ADMIN, Principal, check_principal
from services.approvals.domain.submitting import moment
from shared.contracts.base import Value
from shared.errors import Conflict, NotFound

router = APIRouter(tags=["principals"], dependencies=[requires(ADMIN)])
log = structlog.get_logger()


class PrincipalView(Value):
    """A person or a program, and the start of their key. `key` whole only in the answer that made it."""

    name: str
    roles: tuple[str, ...]
    groups: tuple[str, ...]
    prefix: str | None = None
    created_at: datetime | None = None
    key: str | None = None


class PrincipalPage(Value):
    """Everyone."""

    items: tuple[PrincipalView, ...]


@router.get("/principals", response_model=PrincipalPage)
async def list_(deps: DepsHere) -> Response:
    """Everyone who has a key."""
    return answer({"items": [_view(doc) for doc in await deps.principals.everyone()]})


@router.post("/principals", status_code=201, response_model=PrincipalView)
async def create(body: PrincipalBody, deps: DepsHere, caller: CallerHere) -> Response:
    """Let somebody in; the answer holds their key, which is never shown again."""
    check_principal(body.name, body.roles)
    principal = Principal(body.name, frozenset(body.roles), frozenset(body.groups))
    detail = {"roles": sorted(principal.roles), "groups": sorted(principal.groups)}
    await deps.audit.add(Entry(caller.name, "principal.create", body.name, detail))
    key = await deps.principals.create(principal)
    if key is None:
        await deps.audit.add(Entry(caller.name, "principal.create.refused", body.name, {"reason": "the name is taken"}))
        raise Conflict(f"name: {body.name} exists already; DELETE /principals/{body.name} first to give a new key")
    log.info("principal.created", name=body.name, roles=detail["roles"], who=caller.name)
    return answer({"name": body.name, **detail, "prefix": key[:8], "createdAt": None, "key": key}, 201)


@router.delete("/principals/{name}", status_code=204, response_class=Response)
async def delete(name: str, deps: DepsHere, caller: CallerHere) -> Response:
    """Take the key away; it stops working within five seconds. Nobody can do that to themselves, so that an admin always remains."""
    if name == caller.name:
        raise Conflict(f"{name} cannot take their own key away; let another admin do it")
    await deps.audit.add(Entry(caller.name, "principal.delete", name))
    if not await deps.principals.delete(name):
        raise NotFound(f"there is no principal {name!r}; GET /principals lists those that there are")
    log.info("principal.deleted", name=name, who=caller.name)
    return Response(status_code=204)


def _view(doc: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": doc["_id"], "roles": doc["roles"], "groups": doc["groups"], "prefix": doc["prefix"],
        "createdAt": moment(doc.get("created_at")), "key": None,
    }  # fmt: skip
