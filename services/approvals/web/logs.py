"""The log lines of what is selected: the newest first read, earlier ones on demand, new ones as they come."""

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from services.approvals.api.access import LOOK, DepsHere
from services.approvals.store.logs import log_filter, log_view
from services.approvals.web.pages import render
from services.approvals.web.tree import id_of
from shared.storage.port import Doc

router = APIRouter(include_in_schema=False, dependencies=[LOOK])

LINES = 200
LATE = timedelta(seconds=1)
"""Services write their lines in batches: a line this young may still get an elder neighbour."""

Place = Annotated[str, Query(max_length=200)]
Level = Literal["debug", "info", "warning", "error"]
Cursor = Annotated[str, Query(max_length=100)]


@router.get("/ui/runs/{run_id}/logs")
async def lines(
    run_id: str,
    request: Request,
    deps: DepsHere,
    *,
    task: Place = "",
    level: Level = "info",
    text: Annotated[str, Query(max_length=200)] = "",
    before: Cursor = "",
    after: Cursor = "",
) -> Response:
    """At most LINES of the task and all below it: the last ones, those before a line, or those after one; always what is a second old."""
    where = filter_of(id_of(run_id, task), level=level, text=text) | {"ts": {"$lt": deps.ground.clock.now() - LATE}}
    if after:
        where |= {"_id": {"$gt": after}}
        found = await deps.logs.page(where, limit=LINES)
        return _shown(request, found, run_id, earlier=False)
    if before:
        where |= {"_id": {"$lt": before}}
    found = await deps.logs.last(where, limit=LINES + 1)
    return _shown(request, found[-LINES:], run_id, earlier=len(found) > LINES)


def _shown(request: Request, found: Sequence[Doc], run_id: str, *, earlier: bool) -> Response:
    return render(request, "run_logs.html", lines=[log_view(line) for line in found], earlier=earlier, run_id=run_id)


def filter_of(task_id: str, *, level: str, text: str) -> dict[str, Any]:
    """The filter; `text` is looked for as it stands, whatever the case of its letters."""
    return log_filter(run=None, task=task_id, level=level, grep=f"(?i){re.escape(text)}" if text else None, text=None)
