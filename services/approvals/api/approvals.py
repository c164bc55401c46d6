"""The inbox: what people are asked, and what they answer."""

from typing import Annotated, Any, Literal

import structlog
from fastapi import APIRouter, Query
from starlette.responses import Response

from services.approvals.api.access import LOOK, CallerHere, Cursor, DepsHere, Limit, requires
from services.approvals.api.answers import answer
from services.approvals.api.bodies import DecisionBody
from services.approvals.deps import Deps
from services.approvals.domain.audit import Entry
from services.approvals.domain.deciding import PENDING, Vote, decide
from services.approvals.domain.principals import APPROVER, Principal
from services.approvals.domain.views import approval_view
from shared.contracts.approvals import ApprovalDecided
from shared.contracts.views import ApprovalPage, ApprovalView, DecisionRequest
from shared.errors import Conflict, NotFound, TaskgroveError
from shared.storage.port import Doc

router = APIRouter(tags=["approvals"])
log = structlog.get_logger()

TRIES = 30


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
    if state == PENDING or mine:
        where["state"] = PENDING
    if mine:
        where["$or"] = [{"approvers": []}, {"approvers": {"$in": [caller.name, *sorted(caller.groups)]}}]
        where["decisions.by"] = {"$ne": caller.name}
    found = await deps.approvals.page(where, after_id=cursor, limit=limit + 1) if caller.has(APPROVER) or not mine else []
    stale = await _stale(deps, found)
    views = [approval_view(doc) for doc in found[:limit] if doc["_id"] not in stale or where.get("state") != PENDING]
    return answer({"items": views, "nextCursor": found[limit - 1]["_id"] if len(found) > limit else None})


@router.get("/approvals/{approval_id}", dependencies=[LOOK], response_model=ApprovalView)
async def get(approval_id: str, deps: DepsHere) -> Response:
    """One question."""
    return answer(approval_view(await _get(deps, approval_id)))


@router.post("/approvals", dependencies=[requires(APPROVER)], response_model=ApprovalView)
async def answer_question(body: DecisionBody, deps: DepsHere, caller: CallerHere) -> Response:
    """Answer a question. Of two who decide at once, one wins and the other is told."""
    after, vote = await _answered(deps, body, caller)
    task_id, decision, state = after["task_id"], vote.entry["decision"], after["state"]
    log.info("approval.answered", task_id=task_id, approval_id=after["_id"], decision=decision, who=caller.name, state=state)
    if vote.state:
        deps.metrics.decided.labels(decision=vote.state).inc()
        await deps.say(ApprovalDecided(run_id=after["run_id"], task_id=task_id, approval_id=after["_id"]))
    return answer(approval_view(after))


async def _answered(deps: Deps, body: DecisionRequest, caller: Principal) -> tuple[Doc, Vote]:
    """The approval with the answer in it. Read, decide, compare and set; once more when somebody else's answer came between."""
    audited = False
    for _ in range(TRIES):
        approval = await _get(deps, body.approval_id)
        try:
            vote = decide(approval, caller, body, at=deps.ground.clock.now())
            await _still_asked(deps, approval)
        except TaskgroveError as error:
            if audited:
                await deps.audit.add(Entry(caller.name, "decide.refused", body.approval_id, {"reason": str(error)}))
            raise
        if not audited:
            detail = {name: vote.entry[name] for name in ("decision", "comment")}
            detail |= {"digest": approval["digest"], "task": approval["task_id"]}
            await deps.audit.add(Entry(caller.name, "decide", body.approval_id, detail))
            audited = True
        if after := await deps.approvals.record(approval, vote):
            return after, vote
    raise Conflict(f"{body.approval_id} is being answered by many at once; look at it again")


async def _get(deps: Deps, approval_id: str) -> Doc:
    found = await deps.approvals.get([approval_id])
    if approval_id not in found:
        raise NotFound(f"there is no approval {approval_id!r}; GET /approvals?state=all lists those that there are")
    return found[approval_id]


async def _still_asked(deps: Deps, approval: Doc) -> None:
    """Raises Conflict, and withdraws the question, when its task has gone on without an answer."""
    if await _stale(deps, [approval]):
        await deps.approvals.withdraw({"_id": approval["_id"]})
        raise Conflict(f"{approval['_id']} is asked no more: {approval['task_id']} has gone on without an answer")


async def _stale(deps: Deps, approvals: list[Doc]) -> set[str]:
    """The open ones of these whose task waits for something else, or for nothing."""
    pending = [approval for approval in approvals if approval["state"] == PENDING]
    tasks = await deps.reads.tasks({approval["task_id"] for approval in pending}, ("approval_id",))
    return {one["_id"] for one in pending if one["task_id"] in tasks and tasks[one["task_id"]].get("approval_id") != one["_id"]}
