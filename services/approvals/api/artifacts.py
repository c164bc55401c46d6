"""The files that tasks left, by content hash. Always as a download: a browser must not run what a task wrote."""

from fastapi import APIRouter
from starlette.responses import StreamingResponse

from services.approvals.api.access import LOOK, DepsHere

router = APIRouter(tags=["artifacts"], dependencies=[LOOK])


@router.get("/artifacts/{sha256}", response_class=StreamingResponse)
async def get(sha256: str, deps: DepsHere) -> StreamingResponse:
    """The bytes."""
    content = await deps.artifacts.get(sha256)
    headers = {"Content-Disposition": f'attachment; filename="{sha256}"', "ETag": f'"{sha256}"'}
    return StreamingResponse(content, media_type="application/octet-stream", headers=headers)
