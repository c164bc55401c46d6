"""`PUT /tasks/{id}`: what a person orders for a task. Kept first, then said, then waited for a moment."""

import structlog
from fastapi import APIRouter
from starlette.responses import Response

from services.approvals.answering import withdraw_unasked
from services.approvals.api.access import CallerHere, DepsHere, IfMatch, requires
from services.approvals.api.answers import answer, etag
from services.approvals.api.bodies import UpdateBody
from services.approvals.api.loading import load_view, submitter_of
from services.approvals.deps import Deps
from services.approvals.domain.audit import Entry
from services.approvals.domain.checkpoints import READ, check_checkpoint
from services.approvals.domain.controls import action_of, check_move, check_version, seen_version
from services.approvals.domain.principals import APPROVER, SUBMITTER, Principal
from shared.contracts.approvals import TaskControl
from shared.contracts.phases import Action
from shared.contracts.views import TaskView
from shared.errors import Conflict, Forbidden
from shared.ids import id_at
from shared.orders import FIELDS as NOTED
from shared.orders import noted_in

router = APIRouter(tags=["tasks"])
log = structlog.get_logger()

LOOK_EVERY = 0.05


@router.put("/tasks/{task_id}", status_code=202, response_model=TaskView, dependencies=[requires(APPROVER, SUBMITTER)])
async def order(task_id: str, body: UpdateBody, deps: DepsHere, *, caller: CallerHere, if_match: IfMatch = None) -> Response:
    """Cancel, pause, resume, retry, rerun, or complete by hand. Answers with the task once the order is carried out, or after 2 s."""
    action, view = action_of(body), await load_view(deps, task_id)
    if not caller.may_order(await submitter_of(deps, task_id)):
        raise Forbidden(f"{caller.name} did not submit this run; with the role approver one may order in all runs")
    check_version(view, if_match)
    version = seen_version(body, view, if_match, action=action)
    check_move(view, action)
    if action is Action.COMPLETE and view["checkpoint"]:
        await _check_checkpoint(deps, task_id, caller)
        version = view["version"]  # of another one it may have to be approved anew
    result = body.result.wire() if body.result else None
    event = TaskControl(
        run_id=view["runId"],
        task_id=task_id,
        # Of two orders the later one counts, whichever replica took it: their machines' clocks may differ by minutes.
        control_id=id_at(deps.ground.clock.now()),
        action=action,
        by=caller.name,
        reason=body.reason,
        result=result,
        version=version,
    )
    detail = {"action": str(action), "reason": body.reason, "control": event.control_id, "version": view["version"]}
    await deps.audit.add(Entry(caller.name, "control", task_id, detail))
    await deps.submissions.order(event)
    log.info("task.ordered", task_id=task_id, action=str(action), who=caller.name, control_id=event.control_id)
    if await deps.say(event):
        await _carried_out(deps, event)
    await withdraw_unasked(deps, [task_id])  # of a task that was tried again or completed by hand nobody has to be asked
    after = await load_view(deps, task_id)
    return answer(after, 202, {**etag(after), "Location": f"/tasks/{task_id}"})


async def _check_checkpoint(deps: Deps, task_id: str, who: Principal) -> None:
    task = (await deps.reads.tasks([task_id], READ)).get(task_id, {})
    check_checkpoint(task, who, Action.COMPLETE)


async def _carried_out(deps: Deps, event: TaskControl) -> None:
    """Return when the sequencer has applied the order, or after the time that is set for it. Raises Conflict when it was refused."""
    clock = deps.ground.clock
    deadline = clock.monotonic() + deps.settings.control_seconds
    while clock.monotonic() < deadline:
        noted = noted_in((await deps.reads.tasks([event.task_id], NOTED)).get(event.task_id))
        if why := noted.refusal(event.control_id):
            raise Conflict(f"{event.task_id}: {event.action} was not carried out: {why}; look at it again")
        if noted.is_dealt_with(event.control_id):
            return
        await clock.sleep(LOOK_EVERY)
