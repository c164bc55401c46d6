"""The plan of a run that waits to be started: the tree, what follows from it, and what is odd about it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from services.approvals.deps import Deps
from services.approvals.store.looking import MOST_READ, PlanPart
from services.approvals.web.run_panel import subject_of
from shared.aside import aside
from shared.contracts.plan import TaskSpec
from shared.sequence import sequence
from shared.storage.port import Doc

MOST_LINES = 300
MOST_NAMES = 12
MOST_GROUPS = 12
MOST_LEVELS = 12


@dataclass(frozen=True, slots=True)
class Line:
    """One task of the plan. `group`: its parallel group on its level, from 1."""

    level: int
    number: int
    title: str
    agent: str
    kind: str
    after: Sequence[str]
    checks: Sequence[str]
    checkpoint: str
    estimate: float | None
    group: int
    critical: bool
    size: int


@dataclass(frozen=True, slots=True)
class Level:
    """What follows from the dependencies of the tasks below one parent. `more_…` says how many names are left out."""

    path: str
    order: Sequence[str]
    more_order: int
    groups: Sequence[tuple[Sequence[str], int]]
    more_groups: int
    critical: Sequence[str]
    integration: Sequence[str]
    forecast: float | None


@dataclass(frozen=True, slots=True)
class Preview:
    """A plan to look at. `partly`: it has more tasks than the `read` ones, and `total` is what is known of at least."""

    planner: str
    title: str
    total: int
    read: int
    lines: Sequence[Line]
    levels: Sequence[Level]
    more_lines: int
    more_levels: int
    findings: Sequence[Mapping[str, Any]]
    partly: bool


async def load_preview(deps: Deps, header: Doc) -> Preview:
    """The plan of this header, of a very large one as much as is worth looking at."""
    part = await deps.looking.plan(header, most=MOST_READ)
    return await aside(lambda: preview_of(header, part), size=part.total)


def preview_of(header: Mapping[str, Any], part: PlanPart) -> Preview:
    """The plan as it is shown. What follows from it is worked out by the same rules as the sequencer's."""
    placed = list(_levels(part.tasks, ()))
    read = sum(len(siblings) for _, siblings in placed)
    lines = list(islice(_lines(part.tasks, 1), MOST_LINES))
    return Preview(
        planner=str(header.get("planner", "")),
        title=str(header.get("title") or "Untitled"),
        total=part.total,
        read=read,
        lines=lines,
        levels=[_level(path, siblings, str(header.get("title") or "")) for path, siblings in placed[:MOST_LEVELS]],
        more_lines=part.total - len(lines),
        more_levels=max(0, len(placed) - MOST_LEVELS),
        findings=list(header.get("findings") or ()),
        partly=not part.is_whole,
    )


Path = tuple[str, ...]


def _levels(tasks: Sequence[TaskSpec], path: Path) -> Iterator[tuple[Path, Sequence[TaskSpec]]]:
    yield path, tasks
    for task in tasks:
        if task.subtasks:
            yield from _levels(task.subtasks, (*path, task.title))


def _lines(tasks: Sequence[TaskSpec], level: int) -> Iterator[Line]:
    titles, found = {task.key: task.title for task in tasks}, sequence(_closed(tasks))
    group = {key: number for number, keys in enumerate(found.groups, 1) for key in keys}
    critical = set(found.critical_path)
    for number, task in enumerate(tasks, 1):
        yield Line(
            level=level,
            number=number,
            title=task.title,
            agent=task.agent or "",
            kind=task.kind,
            after=[titles.get(key, key) for key in task.after],
            checks=[f"{check.get('kind', 'check')} {subject_of(check)}".strip() for check in task.checks],
            checkpoint=_checkpoint(task),
            estimate=task.estimate,
            group=group[task.key],
            critical=task.key in critical,
            size=len(task.subtasks),
        )
        yield from _lines(task.subtasks, level + 1)


def _level(path: Path, siblings: Sequence[TaskSpec], title: str) -> Level:
    names, found = {task.key: task.title for task in siblings}, sequence(_closed(siblings))

    def named(keys: Sequence[str]) -> list[str]:
        return [names[key] for key in keys[:MOST_NAMES]]

    return Level(
        path=" / ".join(path) or title or "Untitled",
        order=named(found.order),
        more_order=max(0, len(found.order) - MOST_NAMES),
        groups=[(named(keys), max(0, len(keys) - MOST_NAMES)) for keys in found.groups[:MOST_GROUPS]],
        more_groups=max(0, len(found.groups) - MOST_GROUPS),
        critical=named(found.critical_path),
        integration=named(found.integration),
        forecast=found.forecast_seconds,
    )


def _closed(tasks: Sequence[TaskSpec]) -> list[TaskSpec]:
    """These, as if they waited for nothing but each other: what was not read has no place in what follows from them."""
    keys = {task.key for task in tasks}

    def closed(task: TaskSpec) -> TaskSpec:
        after = tuple(name for name in task.after if name in keys)
        return task.model_copy(update={"after": after, "subtasks": tuple(_closed(task.subtasks))})

    return [closed(task) for task in tasks]


def _checkpoint(task: TaskSpec) -> str:
    if task.checkpoint is None:
        return ""
    who = f", by {', '.join(task.checkpoint.approvers)}" if task.checkpoint.approvers else ""
    count = f", {task.checkpoint.required} people" if task.checkpoint.required > 1 else ""
    return f"approval {task.checkpoint.when} it{who}{count}"
