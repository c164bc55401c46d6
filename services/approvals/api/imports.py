"""A run as one document: exported at any time, imported once it is finished."""

import asyncio
from typing import Any

import orjson
import structlog
from fastapi import APIRouter
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from services.approvals.api.access import LOOK, CallerHere, DepsHere, requires
from services.approvals.api.answers import answer, answer_large
from services.approvals.api.bodies import check_storable
from services.approvals.api.loading import find_task
from services.approvals.deps import Deps
from services.approvals.domain.audit import Entry
from services.approvals.domain.deciding import PENDING, WITHDRAWN
from services.approvals.domain.principals import ADMIN
from services.approvals.domain.runs import CALLS, FORMAT, SLICES, RunDocument, check_run, exported, parts
from services.approvals.domain.submitting import waiting_view
from services.approvals.domain.tree import Branch, nested_view
from services.approvals.domain.views import UNKNOWN, approval_view
from services.approvals.store.submissions import said_by
from shared.contracts.approvals import RunImported
from shared.contracts.views import ApprovalView, TaskView
from shared.errors import BadInput, Conflict
from shared.ids import new_id
from shared.imports import revive
from shared.messaging.codec import explain
from shared.storage.port import Doc

router = APIRouter(tags=["runs"])
log = structlog.get_logger()

LOOK_EVERY = 0.05
RUN_BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": RunDocument.model_json_schema()}}}}


@router.get("/tasks/{task_id}/export", dependencies=[LOOK], response_model=RunDocument)
async def export(task_id: str, deps: DepsHere) -> Response:
    """The whole run: its tree, and all that the services keep of it."""
    task, _ = await find_task(deps, task_id)
    if (task or {}).get("parent_id"):
        raise BadInput(f"{task_id} is a part of a run; export the run {task_id.partition('.')[0]}")
    if task is None:
        raise Conflict(f"{task_id} is not planned yet; export it when it is")
    found = await asyncio.gather(*(deps.reads.slice_of(name, task_id) for name in SLICES))
    slices = {name: exported(name, docs) for name, docs in zip(SLICES, found, strict=True)}
    now = deps.ground.clock.now()
    headers = {"Content-Disposition": f'attachment; filename="{task_id}.json"'}

    def document() -> dict[str, Any]:
        tree = nested_view(_branch(task_id, slices))
        head = {"taskgrove": FORMAT, "runId": task_id, "exportedAt": now}
        return {**head, "tree": tree, "slices": slices, "usage": {**UNKNOWN, **tree["usage"]}}

    return await answer_large(len(slices["tasks"]), document, lambda _: headers)


@router.post("/imports", status_code=201, dependencies=[requires(ADMIN)], response_model=TaskView, openapi_extra=RUN_BODY)
async def import_(request: Request, deps: DepsHere, caller: CallerHere) -> Response:
    """Take back a finished run that was exported. 409 for a run that is not finished, or is here already."""
    run, view = await asyncio.to_thread(_read, await request.body())
    if await deps.reads.task(run.runId) or await deps.submissions.get([run.runId]):
        raise Conflict(f"the run {run.runId} is here already; nothing was imported")
    await deps.audit.add(Entry(caller.name, "import", run.runId, {"tasks": len(run.slices["tasks"])}))
    event = RunImported(run_id=run.runId, import_id=new_id())
    await _store(deps, run, event)
    log.info("run.imported", run_id=run.runId, who=caller.name, tasks=len(run.slices["tasks"]))
    if await deps.say(event):
        await _arrived(deps, run.runId)
    return answer(view, 201, {"Location": f"/tasks/{run.runId}"})


def _branch(run_id: str, slices: dict[str, list[Doc]]) -> Branch:
    root = next(task for task in slices["tasks"] if task["_id"] == run_id)
    others = [task for task in slices["tasks"] if task is not root]
    calls = [call for name in CALLS for call in slices.get(name, [])]
    return Branch([root, *others], slices.get("attempts", []), slices.get("verdicts", []), calls=calls)


def _read(body: bytes) -> tuple[RunDocument, dict[str, Any]]:
    """The run and its tree. Raises BadInput or Conflict for anything that `check_run` or the views cannot take."""
    try:
        run = RunDocument.model_validate(orjson.loads(body))
        check_storable(run.slices)
    except orjson.JSONDecodeError as error:
        raise BadInput(f"body: is no JSON: {error}") from error
    except ValidationError as error:
        raise BadInput(explain(error)) from error
    except ValueError as error:
        raise BadInput(f"slices: {error}") from error
    check_run(run)
    for approval in run.slices.get("approvals", []):
        if approval.get("state") == PENDING:
            approval["state"] = WITHDRAWN
    try:
        return run, _shown(run)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise BadInput(f"slices: a document is not as this version exports it ({type(error).__name__}: {error})") from error


def _shown(run: RunDocument) -> dict[str, Any]:
    """The view of the root, once all was looked at as it will be when it is here: what breaks a page now would break it for good."""
    slices = {name: [revive(doc) for doc in docs] for name, docs in run.slices.items()}
    for approval in slices.get("approvals", []):
        ApprovalView.model_validate(approval_view(approval))
        if not isinstance(approval["votes"], int):
            raise TypeError("the votes of an approval are a number")
    for doc in slices.get("submissions", []):
        said_by(doc)
        if doc["kind"] == "submission":
            waiting_view(doc)
    return nested_view(_branch(run.runId, slices))


async def _store(deps: Deps, run: RunDocument, event: RunImported) -> None:
    """All parts, then the header that makes them count. Raises Conflict when somebody imports the same run."""
    cut = [(name, part) for name, docs in run.slices.items() for part in parts(docs)]
    for number, (name, part) in enumerate(cut):
        await deps.imports.store_part(event.import_id, number, name=name, docs=part)
    last = {name: docs[-1]["_id"] for name, docs in run.slices.items() if docs}
    if not await deps.imports.announce(run.runId, event.import_id, last=last):
        await deps.imports.drop(event.import_id)
        raise Conflict(f"the run {run.runId} is being imported already; GET /tasks/{run.runId} shows when it is here")


async def _arrived(deps: Deps, run_id: str) -> None:
    """Return when the root is there, or after the time that is set for orders."""
    clock = deps.ground.clock
    deadline = clock.monotonic() + deps.settings.control_seconds
    while clock.monotonic() < deadline and not await deps.reads.tasks([run_id], ("run_id",)):
        await clock.sleep(LOOK_EVERY)
