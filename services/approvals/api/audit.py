"""Who did what: the audit trail, and whether it is whole."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from services.approvals.api.access import Cursor, DepsHere, Limit, requires
from services.approvals.api.answers import answer, paged
from services.approvals.domain.principals import ADMIN
from services.approvals.domain.submitting import moment
from shared.contracts.base import Value

SHOWN = ("who", "what", "subject", "detail", "prev", "hash")

router = APIRouter(tags=["audit"], dependencies=[requires(ADMIN)])


class AuditEntry(Value):
    """Who did what to what; `hash` covers this entry and `prev`, the hash of the one before."""

    entry_id: str
    at: datetime
    who: str
    what: str
    subject: str
    detail: dict[str, Any]
    prev: str
    hash: str


class AuditPage(Value):
    """Some entries, oldest first."""

    items: tuple[AuditEntry, ...]
    next_cursor: str | None = None


class AuditState(Value):
    """Whether the chain is whole: how many entries fit, and the first that does not."""

    intact: bool
    entries: int
    broken_at: str | None = None
    reason: str | None = None


@router.get("/audit", response_model=AuditPage)
async def page(deps: DepsHere, *, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """Entries in order."""
    docs = await deps.audit.page(after_id=cursor, limit=limit + 1)
    items = [{"entryId": doc["_id"], "at": moment(doc["at"]), **{name: doc[name] for name in SHOWN}} for doc in docs]
    return paged(items, limit=limit, cursor_of="entryId")


@router.get("/audit/state", response_model=AuditState)
async def state(deps: DepsHere) -> Response:
    """Read the whole chain and check every link."""
    entries, finding = await deps.audit.verify()
    broken = {"brokenAt": finding.entry_id, "reason": finding.reason} if finding else {"brokenAt": None, "reason": None}
    return answer({"intact": finding is None, "entries": entries, **broken})
