"""The page of one run, and the parts of it that are asked for again while it is open."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from services.approvals.api.access import LOOK, CallerHere, DepsHere
from services.approvals.api.listing import Wanted, list_tasks
from services.approvals.api.loading import find_task
from services.approvals.deps import Deps
from services.approvals.domain.submitting import waiting_view
from services.approvals.domain.summary import Summary
from services.approvals.web.pages import page, render
from services.approvals.web.run_head import Head, head_of, head_of_view, load_waits
from services.approvals.web.run_panel import load_panel, waiting_panel
from services.approvals.web.stream import end_of
from services.approvals.web.tree import ROWS, Item, Tree, id_of, row_of
from shared.contracts.phases import Phase
from shared.errors import NotFound
from shared.ids import run_of
from shared.storage.port import Doc

router = APIRouter(include_in_schema=False, dependencies=[LOOK])

MOST_REFRESHED = 400
NOT_YET = Response(status_code=204)
"""A page may be open on a task that its plan will bring."""

Place = Annotated[str, Query(max_length=200)]


@dataclass(frozen=True, slots=True)
class Here:
    """A run as it is now: its root, if it is planned, and what its head shows."""

    root: Doc | None
    submission: Doc | None
    summary: Summary
    head: Head


async def find_run(deps: Deps, run_id: str) -> Here:
    """The run. Raises NotFound."""
    now = deps.ground.clock.now()
    root, submission = await find_task(deps, run_of(run_id))
    if submission:
        by = str(submission["event"]["submittedBy"])
        return Here(None, submission, Summary(), head_of_view(waiting_view(submission), now=now, by=by))
    if root is None:
        raise NotFound(f"there is no run {run_id!r}; / lists those that there are")
    summary, waits = await deps.summaries.of(root), await load_waits(deps, root["_id"])
    return Here(root, None, summary, head_of(root, summary, waits, now=now))


@router.get("/runs/{run_id}")
async def run(run_id: str, request: Request, deps: DepsHere, *, caller: CallerHere, task: Place = "", show: str = "tree") -> Response:
    """The page; `task` is what is selected, `show` whether the tree or the graph is."""
    after = await end_of(deps, run_id)
    here = await find_run(deps, run_id)
    selected = await _selected(deps, here, id_of(run_id, task))
    if here.root is None:
        view = waiting_view(here.submission or {})
        items: Sequence[Item] = [row_of(None, view, here.summary)]
        panel = waiting_panel(view)
    else:
        items = await Tree(deps, here.summary).down_to(here.root, selected["_id"])
        panel = await load_panel(deps, selected, here.summary, who=caller)
    values: dict[str, Any] = {"run_id": run_id, "head": here.head, "items": items, "panel": panel, "after": after, "phases": list(Phase)}
    return await page(request, "run.html", place=panel.place if here.root else task, show="graph" if show == "graph" else "tree", **values)


@router.get("/ui/runs/{run_id}/tree")
async def tree(run_id: str, request: Request, deps: DepsHere, *, task: Place = "") -> Response:
    """All rows anew, open down to this task."""
    here, selected = await find_run(deps, run_id), await deps.reads.task(id_of(run_id, task))
    if here.root is None or selected is None:
        return NOT_YET
    items = await Tree(deps, here.summary).down_to(here.root, selected["_id"])
    return render(request, "run_rows.html", items=items, run_id=run_id, place=None)


@router.get("/ui/runs/{run_id}/rows")
async def rows(run_id: str, request: Request, deps: DepsHere, *, task: Place = "", start: int = 0, before: bool = False) -> Response:
    """A window of the children of a group, as rows."""
    here, parent = await find_run(deps, run_id), await deps.reads.task(id_of(run_id, task))
    if parent is None:
        raise NotFound(f"there is no task {task!r} in this run any more; load the page again")
    items = await Tree(deps, here.summary).children(parent, start=max(0, start), before=before)
    return render(request, "run_rows.html", items=items, run_id=run_id, place=None)


@router.get("/ui/runs/{run_id}/found")
async def found(
    run_id: str,
    request: Request,
    deps: DepsHere,
    *,
    phase: Annotated[str, Query(max_length=40)] = "",
    text: Annotated[str, Query(max_length=200)] = "",
    after: Annotated[str, Query(max_length=300)] = "",
) -> Response:
    """The tasks in this phase, or with these letters in their title, as a flat list; at most ROWS at once."""
    here = await find_run(deps, run_id)
    wanted = Wanted(run_id, None, None, phase=Phase(phase) if phase in set(Phase) else None, agent=None, roots=False, title=text)
    views = await list_tasks(deps, wanted, cursor=after or None, limit=ROWS + 1)
    shown = [view["taskId"] for view in views[:ROWS]]
    items = await Tree(deps, here.summary).rows(shown)
    last = shown[-1] if len(views) > ROWS else ""
    values: dict[str, Any] = {"run_id": run_id, "place": None, "phase": phase, "text": text, "last": last}
    return render(request, "run_found.html", items=items, flat=True, **values)


@router.get("/ui/runs/{run_id}/live")
async def live(run_id: str, request: Request, deps: DepsHere, *, rows: Annotated[str, Query(max_length=8_000)] = "") -> Response:
    """The head as it is now, how many seconds ago it was counted, and these rows (places, with commas between them; the root is `-`)."""
    here = await find_run(deps, run_id)
    places = ["" if place == "-" else place for place in rows.split(",") if place][:MOST_REFRESHED]
    if here.root is None:
        items: Sequence[Item] = [row_of(None, waiting_view(here.submission or {}), here.summary)]
    else:
        items = await Tree(deps, here.summary).rows([id_of(run_id, place) for place in places])
    age = deps.summaries.age(run_id)
    return render(request, "run_live.html", run_id=run_id, head=here.head, items=items, age=age, place=None)


@router.get("/ui/runs/{run_id}/panel")
async def panel(run_id: str, request: Request, deps: DepsHere, *, caller: CallerHere, task: Place = "") -> Response:
    """What there is to see of one task."""
    here, selected = await find_run(deps, run_id), await deps.reads.task(id_of(run_id, task))
    if here.root is None:
        shown = waiting_panel(waiting_view(here.submission or {}))
    elif selected is None:
        return NOT_YET
    else:
        shown = await load_panel(deps, selected, here.summary, who=caller)
    return render(request, "run_panel.html", run_id=run_id, panel=shown)


async def _selected(deps: Deps, here: Here, task_id: str) -> Doc:
    """The task that the address names. Raises NotFound."""
    if here.root is None or task_id == here.root["_id"]:
        return here.root or here.submission or {}
    task = await deps.reads.task(task_id)
    if task is None:
        raise NotFound(f"there is no task {task_id!r} in this run; its page is /runs/{here.root['_id']}")
    return task
