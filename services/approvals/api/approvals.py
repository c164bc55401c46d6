"""The inbox: what people are asked, and what they answer."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from services.approvals.answering import answer_question, find_question, find_questions
from services.approvals.api.access import LOOK, CallerHere, Cursor, DepsHere, Limit, requires
from services.approvals.api.answers import answer
from services.approvals.api.bodies import DecisionBody
from services.approvals.domain.deciding import PENDING
from services.approvals.domain.principals import APPROVER
from services.approvals.domain.views import approval_view
from services.approvals.store.approvals import open_to
from shared.contracts.views import ApprovalPage, ApprovalView

router = APIRouter(tags=["approvals"])


@router.get("/approvals", dependencies=[LOOK], response_model=ApprovalPage)
async def inbox(
    deps: DepsHere,
    caller: CallerHere,
    *,
    state: Annotated[Literal["pending", "all"], Query()] = "pending",
    run: str | None = None,
    mine: bool = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Questions; `mine=true`: only those that wait for the caller's answer."""
    where: dict[str, Any] = {"run_id": run} if run else {}
    if mine:
        where |= open_to(caller)
    elif state == PENDING:
        where["state"] = PENDING
    if mine and not caller.has(APPROVER):
        return answer({"items": [], "nextCursor": None})
    found, following = await find_questions(deps, where, cursor=cursor, limit=limit)
    return answer({"items": [approval_view(doc) for doc in found], "nextCursor": following})


@router.get("/approvals/{approval_id}", dependencies=[LOOK], response_model=ApprovalView)
async def get(approval_id: str, deps: DepsHere) -> Response:
    """One question."""
    return answer(approval_view(await find_question(deps, approval_id)))


@router.post("/approvals", dependencies=[requires(APPROVER)], response_model=ApprovalView)
async def decide(body: DecisionBody, deps: DepsHere, caller: CallerHere) -> Response:
    """Answer a question. Of two who decide at once, one wins and the other is told."""
    return answer(approval_view(await answer_question(deps, body, caller)))
