"""`POST /tasks`: durable before it is answered, said once it is durable."""

from typing import Annotated

import structlog
from fastapi import APIRouter, Header
from starlette.responses import Response

from services.approvals.api.access import CallerHere, DepsHere, requires
from services.approvals.api.answers import answer
from services.approvals.api.bodies import SubmitBody
from services.approvals.deps import Deps
from services.approvals.domain.audit import Entry
from services.approvals.domain.principals import SUBMITTER
from services.approvals.domain.submitting import body_digest, options_of, prompt_of, waiting_view
from shared.contracts.approvals import TaskSubmitted
from shared.contracts.views import TaskView
from shared.errors import BadInput
from shared.ids import new_id
from shared.storage.port import Doc

router = APIRouter(tags=["tasks"])
log = structlog.get_logger()

IdempotencyKey = Annotated[str | None, Header(min_length=1, max_length=200)]


@router.post("/tasks", status_code=202, response_model=TaskView, dependencies=[requires(SUBMITTER)])
async def submit(body: SubmitBody, deps: DepsHere, caller: CallerHere, *, idempotency_key: IdempotencyKey = None) -> Response:
    """Submit a run: its root task comes back. The same Idempotency-Key and body give the same run again."""
    prompt, options = prompt_of(body), options_of(body, has_model=deps.has_model)
    event = TaskSubmitted(run_id=new_id(), prompt=prompt, notes=body.notes, options=options, submitted_by=caller.name)
    if idempotency_key:
        event = await _claimed(deps, event, idempotency_key)
    submission = await _kept(deps, event)
    return answer(waiting_view(submission), 202, {"Location": f"/tasks/{event.run_id}"})


async def _claimed(deps: Deps, event: TaskSubmitted, key: str) -> TaskSubmitted:
    """The event under the run id that this key stands for. Raises BadInput when it stands for something else."""
    digest = body_digest(event)
    claim = await deps.submissions.claim(key, event.submitted_by, run_id=event.run_id, digest=digest)
    if claim["digest"] != digest:
        raise BadInput(f"Idempotency-Key: {key!r} was used for another request, which became the run {claim['claims']}; take a new key")
    return event.model_copy(update={"run_id": claim["claims"]})


async def _kept(deps: Deps, event: TaskSubmitted) -> Doc:
    """The submission, durable; said if it is new."""
    if known := (await deps.submissions.get([event.run_id])).get(event.run_id):
        return known
    options = {"planner": event.options.planner, "notes": len(event.notes)}
    await deps.audit.add(Entry(event.submitted_by, "submit", event.run_id, options))
    await deps.submissions.add([event])
    await deps.say(event)
    log.info("task.submitted", run_id=event.run_id, who=event.submitted_by, planner=event.options.planner, notes=len(event.notes))
    return (await deps.submissions.get([event.run_id]))[event.run_id]
