"""`GET /tasks`: one, many, a tree, and how it is sequenced."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from services.approvals.api.access import LOOK, Cursor, DepsHere, Limit
from services.approvals.api.answers import answer, etag, paged
from services.approvals.api.listing import Wanted, list_tasks
from services.approvals.api.loading import answer_tree, find_task, load_rerun, load_view
from services.approvals.domain.views import sequence_view
from shared.contracts.phases import Phase, Status
from shared.contracts.views import RerunView, SequenceView, TaskPage, TaskView
from shared.errors import NotFound

router = APIRouter(tags=["tasks"], dependencies=[LOOK])


@router.get("/tasks", response_model=TaskPage)
async def list_(
    deps: DepsHere,
    *,
    run: str | None = None,
    parent: str | None = None,
    status: Status | None = None,
    phase: Phase | None = None,
    agent: str | None = None,
    roots: bool = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Tasks by id; `roots=true`: runs, the newest first. A page of runs carries no childIds, dependents and usage: ask for the run."""
    wanted = Wanted(run, parent, status, phase=phase, agent=agent, roots=roots)
    found: list[dict[str, Any]] = await list_tasks(deps, wanted, cursor=cursor, limit=limit + 1)
    return paged(found, limit=limit, cursor_of="taskId")


@router.get("/tasks/{task_id}", response_model=TaskView)
async def get(task_id: str, deps: DepsHere, *, tree: Annotated[Literal["full"] | None, Query()] = None) -> Response:
    """One task; with `tree=full` all below it, nested.

    What adds up (`counts`, `usage` and `startedAt` of a group or root) is of this moment in a run of up to 500 tasks, and in one that is
    over; in a larger one that goes on it may be some seconds old.
    """
    if tree:
        return await answer_tree(deps, task_id)
    view = await load_view(deps, task_id)
    return answer(view, headers=etag(view))


@router.get("/tasks/{task_id}/rerun", response_model=RerunView)
async def rerun(task_id: str, deps: DepsHere) -> Response:
    """What `rerun` would mean for this task: how many tasks would be done again, and which version to order it for."""
    return answer((await load_rerun(deps, task_id)).wire())


@router.get("/tasks/{task_id}/sequence", response_model=SequenceView)
async def sequence(task_id: str, deps: DepsHere) -> Response:
    """Order, dependency graph, parallel groups, critical path, integration steps and forecast of the tasks below this one."""
    await find_task(deps, task_id)
    found = await deps.reads.sequence(task_id)
    if found is None:
        raise NotFound(f"{task_id} has no sequence: it has no subtasks, or they are not planned yet")
    return answer(sequence_view(found[0], found[1]))
