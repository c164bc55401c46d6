"""The first page: all runs, how far each is, what it cost, and who it waits for."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from services.approvals.api.access import LOOK, DepsHere
from services.approvals.api.listing import Wanted, list_tasks
from services.approvals.deps import Deps
from services.approvals.domain.deciding import PENDING
from services.approvals.domain.summary import Below
from services.approvals.web.pages import page, render, see_other
from services.approvals.web.run_head import Progress, progress_of
from shared.contracts.phases import TERMINAL, Phase
from shared.storage.port import Doc

router = APIRouter(dependencies=[LOOK])

ROWS = 25
MOST_WAITS = 500
SHOWS: Mapping[str, tuple[str, frozenset[Phase]]] = {
    "all": ("All", frozenset(Phase)),
    "active": ("Active", frozenset(Phase) - TERMINAL),
    "completed": ("Completed", frozenset({Phase.COMPLETED, Phase.SKIPPED})),
    "failed": ("Failed", frozenset({Phase.FAILED, Phase.CANCELLED})),
}

Text = Annotated[str, Query(max_length=200)]


@dataclass(frozen=True, slots=True)
class Waits:
    """The open questions of one run: how many, to whom, and where they are answered."""

    count: int
    whom: str
    url: str


@dataclass(frozen=True, slots=True)
class Line:
    """One run in the list. `seconds` runs from its submission to its end, if it has one."""

    run_id: str
    title: str
    phase: Phase
    paused: bool
    below: Below
    progress: Progress
    created_at: str | None
    seconds: float | None
    waits: Waits | None


@router.get("/")
async def overview(request: Request, deps: DepsHere, *, show: Text = "all", q: Text = "", after: Text = "") -> Response:
    """The page."""
    return await page(request, "runs.html", **await _values(deps, show, q, after=after))


@router.get("/runs")
async def runs() -> Response:
    """Another name of the first page."""
    return see_other("/")


@router.get("/ui/runs")
async def listed(request: Request, deps: DepsHere, *, show: Text = "all", q: Text = "", after: Text = "") -> Response:
    """The list alone, as it is now."""
    return render(request, "runs_list.html", **await _values(deps, show, q, after=after))


async def _values(deps: Deps, show: str, text: str, *, after: str) -> dict[str, Any]:
    show = show if show in SHOWS else "all"
    wanted = Wanted(None, None, None, phase=None, agent=None, roots=True, title=text.strip(), among=SHOWS[show][1])
    views = await list_tasks(deps, wanted, cursor=after or None, limit=ROWS + 1)
    lines = await load_lines(deps, views[:ROWS])
    following = urlencode({"show": show, "q": text, "after": views[ROWS - 1]["taskId"]}) if len(views) > ROWS else ""
    shows = [(name, words) for name, (words, _) in SHOWS.items()]
    here = urlencode({"show": show, "q": text, "after": after})
    return {
        "lines": lines, "show": show, "shows": shows, "q": text, "after": after, "here": here, "following": following,
        "now": deps.ground.clock.now(),
    }  # fmt: skip


async def load_lines(deps: Deps, views: Sequence[Mapping[str, Any]]) -> list[Line]:
    """These runs, with how far they are and what they wait for."""
    runs = [view["runId"] for view in views]
    glances = await deps.glances.of(views)
    open_ones = {"state": PENDING, "run_id": {"$in": runs}}
    asked: dict[str, list[Doc]] = defaultdict(list)
    for doc in await deps.approvals.collection.find(open_ones, ("run_id", "approvers"), sort=(("_id", 1),), limit=MOST_WAITS):
        asked[doc["run_id"]].append(doc)
    now = deps.ground.clock.now()
    return [_line(view, glances[view["runId"]], asked[view["runId"]], now=now) for view in views]


def _line(view: Mapping[str, Any], below: Below, asked: Sequence[Doc], *, now: datetime) -> Line:
    created, finished = (datetime.fromisoformat(view[name]) if view[name] else None for name in ("createdAt", "finishedAt"))
    return Line(
        run_id=view["runId"],
        title=view["title"],
        phase=Phase(view["phase"]),
        paused=view["paused"],
        below=below,
        progress=progress_of(below),
        created_at=view["createdAt"],
        seconds=((finished or now) - created).total_seconds() if created else None,
        waits=_waits(asked, view["runId"]) if asked else None,
    )


def _waits(asked: Sequence[Doc], run_id: str) -> Waits:
    names = sorted({name for doc in asked for name in doc["approvers"]})
    whom = ", ".join(names) if all(doc["approvers"] for doc in asked) else ", ".join([*names, "any approver"])
    url = f"/inbox/{asked[0]['_id']}" if len(asked) == 1 else f"/inbox?{urlencode({'run': run_id})}"
    return Waits(len(asked), whom, url)
