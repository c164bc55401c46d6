"""Questions and their answers, the same for the API and for the dashboard's forms: found, judged, kept, audited, said."""

from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from services.approvals.deps import Deps
from services.approvals.domain.audit import Entry
from services.approvals.domain.checkpoints import LETS_GO, READ, check_checkpoint
from services.approvals.domain.deciding import PENDING, WITHDRAWN, Vote, decide
from services.approvals.domain.principals import Principal
from shared.contracts.approvals import ApprovalDecided
from shared.contracts.views import DecisionRequest
from shared.errors import Conflict, NotFound, TaskgroveError
from shared.storage.port import Doc

TRIES = 30
LOOKED_AT = 200

log = structlog.get_logger()


async def find_questions(deps: Deps, where: Mapping[str, Any], *, cursor: str | None, limit: int) -> tuple[list[Doc], str | None]:
    """At most `limit` approvals by id, and the cursor for more. Where only open ones are wanted, none that is asked no more."""
    found = await deps.approvals.page(dict(where), after_id=cursor, limit=limit + 1)
    stale = await _stale(deps, found) if where.get("state") == PENDING else set()
    shown = [doc for doc in found[:limit] if doc["_id"] not in stale]
    return shown, found[limit - 1]["_id"] if len(found) > limit else None


async def find_question(deps: Deps, approval_id: str) -> Doc:
    """One approval. Raises NotFound."""
    found = await deps.approvals.get([approval_id])
    if approval_id not in found:
        raise NotFound(f"there is no approval {approval_id!r}; GET /approvals?state=all lists those that there are")
    return found[approval_id]


async def is_asked_no_more(deps: Deps, approval: Doc) -> bool:
    """Whether an open question is about something that went on without an answer."""
    return bool(await _stale(deps, [approval]))


async def withdraw_unasked(deps: Deps, task_ids: Sequence[str]) -> None:
    """Close the open questions about these tasks, but not what a task waits for: it may have come back to life since it was told of."""
    asked = await deps.approvals.page({"task_id": {"$in": list(task_ids)}, "state": PENDING}, after_id=None, limit=0)
    tasks = await deps.reads.tasks({one["task_id"] for one in asked}, ("open", "approval_id"))
    waited_for = {task.get("approval_id") for task in tasks.values() if task["open"]}
    if unasked := [one["_id"] for one in asked if one["_id"] not in waited_for]:
        await _withdraw(deps, unasked)


async def withdraw_next_unasked(deps: Deps) -> None:
    """Close what nobody waits for any more, whatever made its task go on; some of the open ones at each look.

    So what is open in the store is what is asked, and all who count or list it agree without looking at tasks.
    """
    if stale := await _stale(deps, await deps.approvals.next_open(LOOKED_AT)):
        await _withdraw(deps, sorted(stale))


async def answer_question(deps: Deps, body: DecisionRequest, caller: Principal) -> Doc:
    """The approval with the answer in it, which is said when it settles the question. Raises what `decide` raises, and NotFound."""
    after, vote = await _answered(deps, body, caller)
    task_id, decision, state = after["task_id"], vote.entry["decision"], after["state"]
    log.info("approval.answered", task_id=task_id, approval_id=after["_id"], decision=decision, who=caller.name, state=state)
    if vote.state:
        deps.metrics.decided.labels(decision=vote.state).inc()
        await deps.say(ApprovalDecided(run_id=after["run_id"], task_id=task_id, approval_id=after["_id"]))
    return after


async def _answered(deps: Deps, body: DecisionRequest, caller: Principal) -> tuple[Doc, Vote]:
    """The approval with the answer in it. Read, decide, compare and set; once more when somebody else's answer came between."""
    audited = False
    for _ in range(TRIES):
        approval = await find_question(deps, body.approval_id)
        try:
            vote = decide(approval, caller, body, at=deps.ground.clock.now())
            await _still_asked(deps, approval)
            await _not_around_others(deps, approval, caller, decision=vote.entry["decision"])
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


async def _still_asked(deps: Deps, approval: Doc) -> None:
    """Raises Conflict, and withdraws the question, when its task has gone on without an answer."""
    if await is_asked_no_more(deps, approval):
        await _withdraw(deps, [approval["_id"]])
        raise Conflict(f"{approval['_id']} is asked no more: {approval['task_id']} has gone on without an answer")


async def _not_around_others(deps: Deps, approval: Doc, who: Principal, *, decision: str) -> None:
    """Raises Forbidden or Conflict when the answer would let the task go on past people who must still approve it."""
    if decision in LETS_GO:
        task = (await deps.reads.tasks([approval["task_id"]], READ)).get(approval["task_id"], {})
        check_checkpoint(task, who, decision)


async def _withdraw(deps: Deps, ids: Sequence[str]) -> None:
    withdrawn = await deps.approvals.withdraw({"_id": {"$in": list(ids)}})
    deps.metrics.decided.labels(decision=WITHDRAWN).inc(withdrawn)


async def _stale(deps: Deps, approvals: Sequence[Doc]) -> set[str]:
    """The open ones of these whose task waits for something else, or for nothing."""
    pending = [approval for approval in approvals if approval["state"] == PENDING]
    tasks = await deps.reads.tasks({approval["task_id"] for approval in pending}, ("approval_id",))
    return {one["_id"] for one in pending if one["task_id"] in tasks and tasks[one["task_id"]].get("approval_id") != one["_id"]}
