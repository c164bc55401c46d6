"""`GET /tasks/{id}/plan`: what is to be done below a task, also while nobody has approved it yet."""

from fastapi import APIRouter
from starlette.responses import Response

from services.approvals.api.access import LOOK, DepsHere
from services.approvals.api.answers import answer
from services.approvals.api.loading import find_task
from services.approvals.store.looking import MOST_READ
from shared.contracts.plan import Plan
from shared.errors import NotFound

router = APIRouter(tags=["tasks"], dependencies=[LOOK])


@router.get("/tasks/{task_id}/plan", response_model=Plan)
async def plan(task_id: str, deps: DepsHere) -> Response:
    """The newest plan for a task, which is what a plan review asks about: its tasks, groups with theirs inside.

    Of at most 5 000 tasks, level by level from the top.
    """
    task, _ = await find_task(deps, task_id)
    header = await deps.looking.newest_plan(task_id, task)
    if header is None or header["state"] != "proposed":
        raise NotFound(f"{task_id} has no plan: it is not planned yet, or it could not be")
    known = {name: header[name] for name in Plan.model_fields if name in header}
    part = await deps.looking.plan(header, most=MOST_READ)
    return answer(Plan.model_validate({**known, "tasks": part.tasks}).wire())
