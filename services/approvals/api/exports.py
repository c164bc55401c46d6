"""A run as one document, whenever it is asked for: written as it is read, so that a large run takes no more memory than a small one."""

from collections.abc import AsyncIterator

import orjson
from fastapi import APIRouter
from starlette.responses import StreamingResponse

from services.approvals.api.access import LOOK, DepsHere
from services.approvals.api.loading import find_task
from services.approvals.deps import Deps
from services.approvals.domain.run_body import RunDocument
from services.approvals.domain.runs import FORMAT, SLICES, exported
from shared.errors import BadInput, Conflict
from shared.storage.port import Doc

router = APIRouter(tags=["runs"])


@router.get("/tasks/{task_id}/export", dependencies=[LOOK], response_model=RunDocument)
async def export(task_id: str, deps: DepsHere) -> StreamingResponse:
    """The whole run: its tree, and all that the services keep of it. It comes in pieces; if it breaks off, so does the connection."""
    task, _ = await find_task(deps, task_id)
    if (task or {}).get("parent_id"):
        raise BadInput(f"{task_id} is a part of a run; export the run {task_id.partition('.')[0]}")
    if task is None:
        raise Conflict(f"{task_id} is not planned yet; export it when it is")
    headers = {"Content-Disposition": f'attachment; filename="{task_id}.json"'}
    return StreamingResponse(_document(deps, task), media_type="application/json", headers=headers)


async def _document(deps: Deps, root: Doc) -> AsyncIterator[bytes]:
    """The `RunDocument` in pieces. What fails in the middle is raised: the server ends the connection, and nobody takes it for whole."""
    head = {"taskgrove": FORMAT, "runId": root["_id"], "exportedAt": deps.ground.clock.now()}
    yield orjson.dumps(head)[:-1] + b',"tree":'
    joined = await deps.reads.joined_below(root)
    async for piece in deps.reads.nested(joined):
        yield piece
    yield b',"slices":{'
    for number, name in enumerate(SLICES):
        yield b"," * (number > 0) + orjson.dumps(name) + b":["
        async for piece in _documents(deps, name, root["_id"]):
            yield piece
        yield b"]"
    yield b'},"usage":' + orjson.dumps(joined.usage(root["_id"])) + b"}"


async def _documents(deps: Deps, name: str, run_id: str) -> AsyncIterator[bytes]:
    comma = b""
    async for page in deps.reads.slice_of(name, run_id):
        yield comma + orjson.dumps(exported(name, page))[1:-1]
        comma = b","
