"""A finished run that comes back, as the one document that it was exported as."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any

import orjson
import structlog
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from services.approvals.api.access import CallerHere, DepsHere, requires
from services.approvals.api.answers import answer
from services.approvals.api.bodies import check_storable
from services.approvals.deps import Deps
from services.approvals.domain.audit import Entry
from services.approvals.domain.deciding import PENDING, WITHDRAWN
from services.approvals.domain.principals import ADMIN
from services.approvals.domain.run_body import RunBody, RunDocument
from services.approvals.domain.runs import CALLS, check_run, parts
from services.approvals.domain.submitting import waiting_view
from services.approvals.domain.tree import Joined
from services.approvals.domain.views import approval_view, current
from services.approvals.store.submissions import said_by
from shared.contracts.approvals import RunImported
from shared.contracts.views import ApprovalView, TaskView
from shared.errors import BadInput, Conflict
from shared.ids import new_id
from shared.imports import revive
from shared.storage.port import Doc

router = APIRouter(tags=["runs"])
log = structlog.get_logger()

LOOK_EVERY = 0.05
DEPTH = 2
"""Of a document in the body, as `check_storable` counts."""

RUN_BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": RunDocument.model_json_schema()}}}}


@router.post("/imports", status_code=201, dependencies=[requires(ADMIN)], response_model=TaskView, openapi_extra=RUN_BODY)
async def import_(request: Request, deps: DepsHere, caller: CallerHere) -> Response:
    """Take back a finished run that was exported; its root as it will be. 409 for a run that is not finished, or is here already."""
    body, view = await asyncio.to_thread(_read, await _received(request))
    run_id, count = body.run.runId, body.count("tasks")
    if await deps.reads.task(run_id) or await deps.submissions.get([run_id]):
        raise Conflict(f"the run {run_id} is here already; nothing was imported")
    await deps.audit.add(Entry(caller.name, "import", run_id, {"tasks": count}))
    event = RunImported(run_id=run_id, import_id=new_id())
    await _store(deps, body, event)
    log.info("run.imported", run_id=run_id, who=caller.name, tasks=count)
    if await deps.say(event):
        await _arrived(deps, run_id)
    return answer(view, 201, {"Location": f"/tasks/{run_id}"})


async def _received(request: Request) -> bytes | bytearray:
    """The body, which the gate has read already, without another copy of it."""
    chunks = [chunk async for chunk in request.stream() if chunk]
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _read(received: bytes | bytearray) -> tuple[RunBody, dict[str, Any]]:
    """The run and the view of its root. Raises BadInput or Conflict for anything that `check_run` or the views cannot take."""
    body = RunBody(received)
    check_run(body.run, lambda name: _storable(body, name))
    try:
        return body, _shown(body)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise BadInput(f"slices: a document is not as this version exports it ({type(error).__name__}: {error})") from error


def _storable(body: RunBody, name: str) -> Iterator[Doc]:
    for doc in body.docs(name):
        try:
            yield check_storable(doc, DEPTH)
        except ValueError as error:
            raise BadInput(f"slices: {error}") from error


def _coming(body: RunBody, name: str) -> Iterator[Doc]:
    """The documents of a slice as they will be kept: nobody is asked anything by a run that is over, and children are looked for."""
    for doc in body.docs(name):
        if name == "tasks":
            doc.pop("in_order", None)
        yield {**doc, "state": WITHDRAWN} if name == "approvals" and doc.get("state") == PENDING else doc


def _shown(body: RunBody) -> dict[str, Any]:
    """The view of the root, once all was looked at as it will be when it is here: what breaks a page now would break it for good."""
    for approval in _revived(body, "approvals"):
        ApprovalView.model_validate(approval_view(approval))
        if not isinstance(approval["votes"], int):
            raise TypeError("the votes of an approval are a number")
    for doc in _revived(body, "submissions"):
        said_by(doc)
        if doc["kind"] == "submission":
            waiting_view(doc)
    joined, counts, root = Joined(body.run.runId), Counter[str](), dict[str, Any]()
    joined.tasks(_revived(body, "tasks"))
    joined.attempts(_revived(body, "attempts"))
    joined.calls(call for name in CALLS for call in _revived(body, name))
    attempts, verdicts = _ById(body, "attempts"), _ById(body, "verdicts")
    for task in _revived(body, "tasks"):
        view = joined.view(task, attempts.get(current(task)), verdicts.get(current(task)))
        orjson.dumps(view)
        counts[str(view["phase"])] += 1
        root = view if task["_id"] == joined.top else root
    return {**root, "counts": counts}


def _revived(body: RunBody, name: str) -> Iterator[Doc]:
    return (revive(doc) for doc in _coming(body, name))


class _ById:
    """The documents of a slice by their ids, parsed when they are wanted."""

    def __init__(self, body: RunBody, name: str) -> None:
        self._body, self._name = body, name
        self._positions = {doc["_id"]: position for position, doc in enumerate(body.docs(name))}

    def get(self, identifier: str) -> Doc | None:
        """One of them; None: there is none."""
        position = self._positions.get(identifier)
        return None if position is None else revive(self._body.doc(self._name, position))


async def _store(deps: Deps, body: RunBody, event: RunImported) -> None:
    """All parts, then the header that makes them count. Raises Conflict when somebody imports the same run."""
    number, last = 0, dict[str, str]()
    for name in body.run.slices:
        cut = parts(_coming(body, name))
        while part := await asyncio.to_thread(next, cut, None):
            await deps.imports.store_part(event.import_id, number, name=name, docs=part)
            number, last[name] = number + 1, part[-1]["_id"]
    if not await deps.imports.announce(event.run_id, event.import_id, last=last):
        await deps.imports.drop(event.import_id)
        raise Conflict(f"the run {event.run_id} is being imported already; GET /tasks/{event.run_id} shows when it is here")


async def _arrived(deps: Deps, run_id: str) -> None:
    """Return when the root is there, or after the time that is set for orders."""
    clock = deps.ground.clock
    deadline = clock.monotonic() + deps.settings.control_seconds
    while clock.monotonic() < deadline and not await deps.reads.tasks([run_id], ("run_id",)):
        await clock.sleep(LOOK_EVERY)
