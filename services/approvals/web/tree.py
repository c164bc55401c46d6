"""The tree of a run as rows of a table: only what is open, a window of each group, so that a run of 20 000 tasks stays usable."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.approvals.deps import Deps
from services.approvals.domain.summary import Below, Summary
from shared.contracts.phases import TERMINAL, Phase
from shared.ids import above
from shared.storage.port import Doc

ROWS = 100
BEFORE = 10
"""When a task far down a group is shown, so many of its elder siblings are as well."""

View = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """One task. `place` is its id without the run's; `grown` is the version of the plan that its children are of; unknown is null."""

    place: str
    level: int
    number: int
    siblings: int
    title: str
    phase: Phase
    paused: bool
    kind: str
    agent: str | None
    attempt: int
    most_attempts: int
    seconds: float | None
    since: str | None
    tokens: int | None
    usd: float | None
    unpriced: int | None
    critical: bool
    opens: bool
    grown: int
    is_open: bool
    below: Below


@dataclass(frozen=True, slots=True)
class More:
    """The rows that are left out before or after those that are shown."""

    parent: str
    level: int
    start: int
    count: int
    before: bool = False


Item = Row | More


def place_of(task_id: str) -> str:
    """`1.2` of `RUN.1.2`; empty for the root. Short enough for hundreds of them in one address."""
    return task_id.partition(".")[2]


def id_of(run_id: str, place: str) -> str:
    """The task at this place of the run."""
    return f"{run_id}.{place}" if place else run_id


def row_of(task: Doc | None, view: View, summary: Summary, *, number: int = 1, siblings: int = 1, is_open: bool = False) -> Row:
    """The row of one task. `task` is None while the run is not planned."""
    name = view["taskId"]
    below = summary.of(name)
    opens = bool(task and task.get("children"))
    usage = below.usage if opens else view["usage"]
    phase = Phase(view["phase"])
    known = [usage[one] for one in ("promptTokens", "completionTokens") if usage[one] is not None]
    started = below.started_at.isoformat(timespec="milliseconds") if opens and below.started_at else view["startedAt"]
    return Row(
        place=place_of(name),
        level=name.count(".") + 1,
        number=number,
        siblings=siblings,
        title=view["title"],
        phase=phase,
        paused=view["paused"],
        kind=view["kind"],
        agent=view["assignedAgent"],
        attempt=view["attempt"],
        most_attempts=view["maxAttempts"],
        seconds=_wall(below.started_at, view["finishedAt"]) if opens else usage["seconds"],
        since=started if phase not in TERMINAL and started and not _waits(phase, below) else None,
        tokens=sum(known) if known else None,
        usd=usage["usd"],
        unpriced=usage["unpriced"],
        critical=view["critical"],
        opens=opens,
        grown=int(task.get("plan_version", 0)) if task and opens else 0,
        is_open=is_open,
        below=below,
    )


def _wall(started: datetime | None, finished: str | None) -> float | None:
    """How long a group took, from the first start below it to its end."""
    return max(0.0, (datetime.fromisoformat(finished) - started).total_seconds()) if started and finished else None


def _waits(phase: Phase, below: Below) -> bool:
    """Whether no time of its own passes: nobody works at it, nor at anything below it."""
    return phase in (Phase.BLOCKED, Phase.READY, Phase.AWAITING_APPROVAL, Phase.ESCALATED) and not below.active


class Tree:
    """The rows of one run, read as they are needed."""

    def __init__(self, deps: Deps, summary: Summary) -> None:
        self._deps = deps
        self._summary = summary

    async def down_to(self, root: Doc, task_id: str) -> list[Item]:
        """The root, its children, and whatever must be open for `task_id` to be seen."""
        path = {*above(task_id), task_id, root["_id"]}
        (_, view), *_ = await self._deps.reads.joined([root], related=False)
        top = row_of(root, view, self._summary, is_open=True)
        return [top, *await self._below(root, path)] if top.opens else [top]

    async def children(self, parent: Doc, *, start: int, before: bool = False) -> list[Item]:
        """One window of a group: `start` is the number of the first, counted from 0; with `before`, of those that end there."""
        ids = await self._deps.looking.child_ids(parent)
        first = max(0, start - ROWS) if before else start
        items: list[Item] = [item for _, item in await self._rows(ids, first, start if before else first + ROWS)]
        if before:
            return [*_earlier(parent["_id"], first), *items]
        return [*items, *_later(parent["_id"], first + ROWS, len(ids))]

    async def rows(self, task_ids: Sequence[str]) -> list[Row]:
        """Those of these tasks that there are, in this order."""
        tasks = await self._deps.reads.tasks(task_ids)
        joined = await self._deps.reads.joined([tasks[name] for name in task_ids if name in tasks], related=False)
        return [row_of(task, view, self._summary) for task, view in joined]

    async def _below(self, parent: Doc, path: set[str]) -> list[Item]:
        ids = await self._deps.looking.child_ids(parent)
        inside = next((number for number, name in enumerate(ids) if name in path), 0)
        first = max(0, inside - BEFORE) if inside >= ROWS else 0
        items: list[Item] = _earlier(parent["_id"], first)
        for task, row in await self._rows(ids, first, first + ROWS, path=path):
            items += [row, *(await self._below(task, path) if row.is_open else [])]
        return [*items, *_later(parent["_id"], first + ROWS, len(ids))]

    async def _rows(self, ids: Sequence[str], first: int, end: int, *, path: set[str] | None = None) -> list[tuple[Doc, Row]]:
        wanted = ids[first:end]
        tasks = await self._deps.reads.tasks(wanted)
        joined = await self._deps.reads.joined([tasks[name] for name in wanted if name in tasks], related=False)
        numbers = {name: number for number, name in enumerate(wanted, first + 1)}
        below = {group for name in path or () for group in above(name)}
        return [
            (task, row_of(task, view, self._summary, number=numbers[task["_id"]], siblings=len(ids), is_open=task["_id"] in below))
            for task, view in joined
        ]


def _earlier(parent: str, first: int) -> list[Item]:
    return [More(place_of(parent), parent.count(".") + 2, first, first, before=True)] if first else []


def _later(parent: str, end: int, total: int) -> list[Item]:
    return [More(place_of(parent), parent.count(".") + 2, end, total - end)] if total > end else []
