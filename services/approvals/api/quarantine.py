"""Messages that no service could use: list, show, say again, throw away. For admins."""

from typing import Any

import structlog
from fastapi import APIRouter
from starlette.responses import Response

from services.approvals.api.access import CallerHere, Cursor, DepsHere, Limit, requires
from services.approvals.api.answers import answer, paged
from services.approvals.deps import Deps
from services.approvals.domain.audit import Entry
from services.approvals.domain.principals import ADMIN
from services.approvals.domain.submitting import moment
from services.approvals.store.quarantined import message_of
from shared.contracts.views import QuarantinePage, QuarantineView
from shared.errors import NotFound
from shared.storage.port import Doc

router = APIRouter(tags=["quarantine"], dependencies=[requires(ADMIN)])
log = structlog.get_logger()


@router.get("/quarantine", response_model=QuarantinePage)
async def page(deps: DepsHere, *, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """What is there, without bodies."""
    docs = await deps.quarantined.page(after_id=cursor, limit=limit + 1)
    return paged([_view(doc) for doc in docs], limit=limit, cursor_of="quarantineId")


@router.get("/quarantine/{quarantine_id:path}", response_model=QuarantineView)
async def show(quarantine_id: str, deps: DepsHere) -> Response:
    """One message with its body."""
    return answer(_view(await _get(deps, quarantine_id)))


@router.post("/quarantine/{quarantine_id:path}/replay", response_model=QuarantineView)
async def replay(quarantine_id: str, deps: DepsHere, caller: CallerHere) -> Response:
    """Say it again as it was; it leaves the quarantine, and comes back if it still cannot be used."""
    doc = await _get(deps, quarantine_id)
    message = message_of(doc, by=caller.name)
    await deps.audit.add(Entry(caller.name, "quarantine.replay", quarantine_id, {"routing_key": doc["routing_key"]}))
    await deps.ground.broker.publish([message])
    await deps.quarantined.remove(doc)
    log.info("quarantine.replayed", quarantine_id=quarantine_id, who=caller.name, routing_key=doc["routing_key"])
    return answer(_view(doc))


@router.delete("/quarantine/{quarantine_id:path}", status_code=204, response_class=Response)
async def discard(quarantine_id: str, deps: DepsHere, caller: CallerHere) -> Response:
    """Throw it away."""
    doc = await _get(deps, quarantine_id)
    await deps.audit.add(Entry(caller.name, "quarantine.discard", quarantine_id, {"reason": doc["reason"][:1_000]}))
    await deps.quarantined.remove(doc)
    log.info("quarantine.discarded", quarantine_id=quarantine_id, who=caller.name)
    return Response(status_code=204)


async def _get(deps: Deps, quarantine_id: str) -> Doc:
    doc = await deps.quarantined.get(quarantine_id)
    if doc is None:
        raise NotFound(f"nothing is in quarantine under {quarantine_id!r}; GET /quarantine lists what is")
    return doc


def _view(doc: Doc) -> dict[str, Any]:
    return {
        "quarantineId": doc["_id"], "service": doc["service"], "reason": doc["reason"], "routingKey": doc["routing_key"],
        "messageId": doc["message_id"], "count": doc["count"], "at": moment(doc["at"]), "body": doc.get("body"),
    }  # fmt: skip
