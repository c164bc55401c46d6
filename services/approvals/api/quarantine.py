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
async def page(deps: DepsHere, *, replayed: bool = False, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """What is there, without bodies; with `replayed` what was replayed within a week and did not come back."""
    docs = await deps.quarantined.page(after_id=cursor, limit=limit + 1, replayed=replayed)
    return paged([_view(doc) for doc in docs], limit=limit, cursor_of="quarantineId")


@router.get("/quarantine/{quarantine_id:path}", response_model=QuarantineView)
async def show(quarantine_id: str, deps: DepsHere) -> Response:
    """One message with its body."""
    return answer(_view(await _get(deps, quarantine_id)))


@router.post("/quarantine/{quarantine_id:path}/replay", response_model=QuarantineView)
async def replay(quarantine_id: str, deps: DepsHere, caller: CallerHere) -> Response:
    """Say it again as it was; it leaves the quarantine, and comes back if it still cannot be used. Said again, it stays said once."""
    doc = await _get(deps, quarantine_id)
    if doc.get("replayed_at"):
        return answer(_view(doc))
    message = message_of(doc, by=caller.name)
    await deps.audit.add(Entry(caller.name, "quarantine.replay", quarantine_id, {"routing_key": message.routing_key}))
    await deps.quarantined.about_to_replay(doc, by=caller.name)
    # Who dies from here on leaves it where it is, said or not: to say it once more harms nobody.
    await deps.ground.broker.publish([message])
    await deps.quarantined.replayed(doc)
    log.info("quarantine.replayed", quarantine_id=quarantine_id, who=caller.name, routing_key=message.routing_key)
    return answer(_view(await deps.quarantined.get(quarantine_id) or doc))


@router.delete("/quarantine/{quarantine_id:path}", status_code=204, response_class=Response)
async def discard(quarantine_id: str, deps: DepsHere, caller: CallerHere) -> Response:
    """Throw it away for good; the audit keeps who did, its reason and its size."""
    doc = await _get(deps, quarantine_id)
    await deps.audit.add(
        Entry(caller.name, "quarantine.discard", quarantine_id, {"reason": doc["reason"][:1_000], "bytes": doc["body_bytes"]})
    )
    await deps.quarantined.remove(quarantine_id)
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
        "messageId": doc["message_id"], "count": doc["count"], "body": doc.get("body"), "at": moment(doc["at"]),
        "lastAt": moment(doc.get("last_at")),
        "replays": doc.get("replays", 0), "replayBy": doc.get("replay_by"), "replayAt": moment(doc.get("replay_at")),
        "replayed": bool(doc.get("replayed_at")), "replayOf": doc.get("replay_of"),
    }  # fmt: skip
