"""What people do on the page of a run: order something for a task, take the files that it left."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Query
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from services.approvals.api import orders
from services.approvals.api.access import LOOK, CallerHere, DepsHere, requires
from services.approvals.api.bodies import UpdateBody
from services.approvals.api.loading import load_rerun
from services.approvals.domain.principals import APPROVER, SUBMITTER
from services.approvals.web.pages import see_other, wants_fragment
from services.approvals.web.tree import id_of
from shared.contracts.phases import Action
from shared.figures import count_of

router = APIRouter(include_in_schema=False)

LONGEST_NAME = 150
SAFE = "-_.() "


@router.post("/ui/runs/{run_id}/order", dependencies=[requires(APPROVER, SUBMITTER)])
async def order(
    run_id: str,
    request: Request,
    deps: DepsHere,
    *,
    caller: CallerHere,
    action: Annotated[str, Form(max_length=20)],
    task: Annotated[str, Form(max_length=200)] = "",
    version: Annotated[int | None, Form()] = None,
) -> Response:
    """Cancel, pause, resume, retry or rerun; the same rules as `PUT /tasks/{id}`, and the same entry in the audit trail.

    `version` counts for what brings a task back to life: to hold or to end it, it does not matter how far it has come meanwhile.
    """
    seen = version if action in (Action.RETRY, Action.RERUN) else None
    await orders.order(id_of(run_id, task), UpdateBody(action=action, version=seen), deps, caller=caller)
    return Response(status_code=204) if wants_fragment(request) else see_other(f"/runs/{quote(run_id)}?task={quote(task)}")


@router.get("/ui/runs/{run_id}/rerun", dependencies=[LOOK], response_class=PlainTextResponse)
async def ask_rerun(run_id: str, deps: DepsHere, *, task: Annotated[str, Query(max_length=200)] = "") -> PlainTextResponse:
    """What a person is asked before a task is done again."""
    what, titles = await load_rerun(deps, name := id_of(run_id, task)), await deps.looking.titles([name])
    others = what.again - 1
    along = f", and with it {count_of(others, 'task')} that {'comes' if others == 1 else 'come'} after it or below it" if others else ""
    return PlainTextResponse(f"Do “{titles.get(name, name)}” again{along}? Kept as it is: {count_of(what.kept, 'task')}.")


@router.get("/ui/runs/{run_id}/files/{sha256}", dependencies=[LOOK], response_class=StreamingResponse)
async def file(run_id: str, sha256: str, deps: DepsHere, *, name: Annotated[str, Query(max_length=1_000)] = "") -> StreamingResponse:  # noqa: ARG001 (the run is in the address for those who read it)
    """A file under the name that its task gave it; always as a download: a browser must not run what a task wrote."""
    content = await deps.artifacts.get(sha256)
    headers = {"Content-Disposition": disposition(name or sha256), "ETag": f'"{sha256}"', "X-Content-Type-Options": "nosniff"}
    return StreamingResponse(content, media_type="application/octet-stream", headers=headers)


def disposition(name: str) -> str:
    """`attachment` with this name (RFC 6266): a plain one for old clients, the whole one in UTF-8. Directories become dashes."""
    flat = "".join("-" if one in "/\\" else one for one in name if one.isprintable()).lstrip(".- ")[-LONGEST_NAME:] or "file"
    plain = "".join(one if one.isascii() and (one.isalnum() or one in SAFE) else "_" for one in flat)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(flat, safe='')}"
