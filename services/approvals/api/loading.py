"""Finding a task, wherever it is yet: among the tasks, or still a submission."""

import asyncio
from dataclasses import replace
from typing import Any

from starlette.responses import Response, StreamingResponse

from services.approvals.api.answers import answer, etag
from services.approvals.deps import Deps
from services.approvals.domain.submitting import waiting_view
from services.approvals.domain.summary import group_view
from services.approvals.domain.tree import nested_view
from services.approvals.domain.views import is_group, task_view
from shared.aside import LARGE
from shared.contracts.views import RerunView
from shared.downstream import Graph
from shared.errors import Conflict, NotFound
from shared.ids import run_of
from shared.storage.port import Doc


async def find_task(deps: Deps, task_id: str) -> tuple[Doc | None, Doc | None]:
    """The task, or the submission that will become it. Raises NotFound when there is neither."""
    if task := await deps.reads.task(task_id):
        return task, None
    return None, await _submission(deps, task_id)


async def _submission(deps: Deps, run_id: str) -> Doc:
    if submission := (await deps.submissions.get([run_id])).get(run_id):
        return submission
    raise NotFound(f"there is no task {run_id!r}; GET /tasks lists those that there are")


async def load_view(deps: Deps, task_id: str) -> dict[str, Any]:
    """`TaskView` of one task, without its children; of a root with counts. Raises NotFound."""
    look = await deps.reads.look(task_id)
    if look is None:
        return waiting_view(await _submission(deps, task_id))
    task = look.task
    if task.get("parent_id") and not is_group(task):
        return task_view(task, look.beside)
    summary, children = await asyncio.gather(deps.summaries.of(look.root, fresh=True), deps.reads.children(task))
    return group_view(task, replace(look.beside, child_ids=children), summary.of(task_id))


async def answer_tree(deps: Deps, task_id: str) -> Response:
    """`TaskView` of a task with all below it nested; a large one in pieces. Raises NotFound."""
    (task, submission), below = await asyncio.gather(find_task(deps, task_id), deps.reads.below(task_id))
    if task is None:
        view = {**waiting_view(submission or {}), "children": []}
        return answer(view, headers=etag(view))
    if below > LARGE:
        joined = await deps.reads.joined_below(task)
        return StreamingResponse(
            deps.reads.nested(joined), media_type="application/json", headers=etag({"version": task.get("version", 0)})
        )
    view = nested_view(await deps.reads.branch(task))
    return answer(view, headers=etag(view))


async def load_rerun(deps: Deps, task_id: str) -> RerunView:
    """What would be done again with this task. Raises NotFound, Conflict while it is not planned yet."""
    task, _ = await find_task(deps, task_id)
    if task is None:
        raise Conflict(f"{task_id} is not planned yet; there is nothing to do again")
    edges = await deps.reads.edges(task["run_id"])
    what = await asyncio.to_thread(lambda: Graph(edges).downstream([task_id]))
    again, joined = len(what.again), len(what.around)
    return RerunView(task_id=task_id, version=task["version"], again=again, joined=joined, kept=len(edges) - again - joined)


async def submitter_of(deps: Deps, task_id: str) -> str | None:
    """Who submitted the run that this task belongs to."""
    run_id = run_of(task_id)
    if submission := (await deps.submissions.get([run_id])).get(run_id):
        return str(submission["event"]["submittedBy"])
    root = await deps.reads.task(run_id)
    return root.get("submitted_by") if root else None
