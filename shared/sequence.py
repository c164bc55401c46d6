"""What follows from a plan: order, graph, parallel groups (reported, never barriers), critical path, integration steps, forecast."""

from collections.abc import Iterable, Mapping
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from shared.contracts.plan import TaskSpec
from shared.errors import BadInput


@dataclass(frozen=True, slots=True)
class Sequence:
    """By the keys of one level of a plan."""

    order: tuple[str, ...]
    edges: tuple[tuple[str, str], ...]
    groups: tuple[tuple[str, ...], ...]
    critical_path: tuple[str, ...]
    integration: tuple[str, ...]
    forecast_seconds: float | None


def sequence(tasks: SequenceOf[TaskSpec]) -> Sequence:
    """Order one level of a plan. Raises BadInput that names the cycle, or the dependency that is not there."""
    by_key = {task.key: task for task in tasks}
    for task in tasks:
        if missing := [name for name in task.after if name not in by_key]:
            raise BadInput(f"{task.title!r} waits for {', '.join(map(repr, missing))}, which this plan does not have")
    level = _levels({task.key: task.after for task in tasks})
    order = tuple(level)
    length: dict[str, float] = {}
    before: dict[str, str | None] = {}
    known = _known(tasks)
    for key in order:
        after = by_key[key].after
        last = max(after, key=length.__getitem__, default=None)
        before[key] = last
        length[key] = (length[last] if last else 0.0) + (estimate_of(by_key[key]) if known else 1.0)
    groups: list[list[str]] = [[] for _ in range(1 + max(level.values(), default=-1))]
    for key in order:
        groups[level[key]].append(key)
    return Sequence(
        order=order,
        edges=tuple((name, task.key) for task in tasks for name in task.after),
        groups=tuple(map(tuple, groups)),
        critical_path=_path_to(max(order, key=lambda key: length[key], default=None), before),
        integration=tuple(key for key in order if by_key[key].kind == "integration"),
        forecast_seconds=max(length.values(), default=0.0) if known else None,
    )


def estimate_of(task: TaskSpec) -> float:
    """Seconds that a task is expected to take; of a group: its own critical path. Unknown counts as nothing."""
    if task.subtasks:
        return sequence(task.subtasks).forecast_seconds or 0.0
    return task.estimate or 0.0


def _known(tasks: SequenceOf[TaskSpec]) -> bool:
    return any(task.estimate is not None or (task.subtasks and _known(task.subtasks)) for task in tasks)


def _levels(graph: dict[str, tuple[str, ...]]) -> dict[str, int]:
    """The length of the longest way to each, those of a level together, in the order of the plan."""
    level: dict[str, int] = {}
    for key in _in_a_row(graph):
        after = graph[key]
        level[key] = 1 + max(map(level.__getitem__, after)) if after else 0
    return {key: level[key] for key in sorted(graph, key=level.__getitem__)}


def _in_a_row(graph: dict[str, tuple[str, ...]]) -> Iterable[str]:
    """Each after what it waits for."""
    if written_in_a_row(graph):
        return graph
    try:
        return tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise BadInput(f"these tasks wait for each other: {' → '.join(reversed(error.args[1]))}") from error


def written_in_a_row(after: Mapping[str, Iterable[str]]) -> bool:
    """Whether each waits for earlier ones only, as in most plans: looking for an order takes four times as long as this."""
    seen: set[str] = set()
    for key, names in after.items():
        if not seen.issuperset(names):
            return False
        seen.add(key)
    return True


def _path_to(end: str | None, before: dict[str, str | None]) -> tuple[str, ...]:
    path = []
    while end is not None:
        path.append(end)
        end = before[end]
    return tuple(reversed(path))
