"""The logs of all services, searched."""

import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from services.approvals.api.access import LOOK, Cursor, DepsHere, Limit
from services.approvals.api.answers import answer
from services.approvals.store.logs import log_filter, log_view
from shared.contracts.views import LogPage
from shared.errors import BadInput

router = APIRouter(tags=["logs"], dependencies=[LOOK])

LATE = timedelta(seconds=1)
BEGINNING = "0"
Level = Literal["debug", "info", "warning", "error", "critical"]
Search = Annotated[str | None, Query(max_length=200)]


@router.get("/logs", response_model=LogPage)
async def page(
    deps: DepsHere,
    *,
    run: str | None = None,
    task: str | None = None,
    level: Level | None = None,
    grep: Search = None,
    text: Search = None,
    after: Cursor = None,
    limit: Limit = 200,
) -> Response:
    """Lines, oldest first: of a run, of a task and all below it, of a level and above, by regular expression or by words.

    To follow, ask again with `after` = `nextCursor`; lines of the last second are held back then, because services write in batches.
    Those that were on the first page come again then, with the same `id`: an elder line may yet come before them.
    """
    _check(grep)
    where = log_filter(run=run, task=task, level=level, grep=grep, text=text)
    settled = deps.ground.clock.now() - LATE
    if after:
        where |= {"_id": {"$gt": after}, "ts": {"$lt": settled}}
    items: list[dict[str, Any]] = [log_view(line) for line in await deps.logs.page(where, limit=limit)]
    last = max((line["id"] for line in items if line["ts"] < settled), default=BEGINNING)
    return answer({"items": items, "nextCursor": last if items else None})


def _check(pattern: str | None) -> None:
    try:
        re.compile(pattern or "")
    except re.error as error:
        raise BadInput(f"grep: {pattern!r} is not a regular expression: {error}") from error
