"""What people do on the page of a run: order something for a task, take the files that it left."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from services.approvals.api import orders
from services.approvals.api.access import LOOK, CallerHere, DepsHere, requires
from services.approvals.api.bodies import UpdateBody
from services.approvals.domain.principals import APPROVER, SUBMITTER
from services.approvals.web.pages import see_other, wants_fragment
from services.approvals.web.tree import id_of

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
) -> Response:
    """Cancel, pause, resume or retry; the same rules as `PUT /tasks/{id}`, and the same entry in the audit trail."""
    await orders.order(id_of(run_id, task), UpdateBody(action=action), deps, caller=caller)
    return Response(status_code=204) if wants_fragment(request) else see_other(f"/runs/{quote(run_id)}?task={quote(task)}")


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
