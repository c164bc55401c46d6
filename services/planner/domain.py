"""Decisions about plans: pure, so that the same plan is judged the same way every time."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

import orjson

from shared.contracts.plan import PRIORITY, Plan, RunOptions, TaskSpec
from shared.errors import LimitExceeded
from shared.ids import child_id
from shared.sequence import written_in_a_row

MOST_DEPENDENCIES = 1_000_000
MOST_CYCLES = 20


def nested(plan: Plan) -> list[Plan]:
    """The plan with one level of tasks, and one plan for each group in it, however deep: all by the ids that their tasks will have."""
    flat, below = [], []
    for number, task in enumerate(plan.tasks, 1):
        flat.append(task.model_copy(update={"subtasks": (), "kind": "group"}) if task.subtasks else task)
        if task.subtasks:
            below += nested(
                Plan(
                    task_id=child_id(plan.task_id, plan.version, number),
                    version=1,
                    planner=plan.planner,
                    title=task.title,
                    description=task.description,
                    checks=task.checks,
                    model=plan.model,
                    prompt_hash=plan.prompt_hash,
                    tasks=task.subtasks,
                )
            )
    return [plan.model_copy(update={"tasks": tuple(flat)}), *below]


def every(tasks: Iterable[TaskSpec]) -> Iterator[TaskSpec]:
    """These tasks and all below them."""
    for task in tasks:
        yield task
        yield from every(task.subtasks)


def settled(plan: Plan, options: RunOptions) -> tuple[Plan, RunOptions]:
    """The plan of a run, each task with its priority; and the options with what else the notes say. What was submitted counts more."""
    urgent = plan.priority if options.priority is None else options.priority
    at_once = plan.concurrency if options.concurrency is None else options.concurrency
    more = {"priority": urgent, "concurrency": at_once}
    return prioritised(plan, PRIORITY if urgent is None else urgent), options.model_copy(update=more)


def prioritised(plan: Plan, priority: int) -> Plan:
    """The plan with a priority for each task: its own, else that of the group around it, else this."""
    tasks = _prioritised(plan.tasks, priority)
    return plan if tasks is plan.tasks else plan.model_copy(update={"tasks": tasks})


def _prioritised(tasks: tuple[TaskSpec, ...], around: int) -> tuple[TaskSpec, ...]:
    """What need not change stays the very same: a plan may have very many tasks."""
    found = tuple(_with_priority(task, task.priority if "priority" in task.model_fields_set else around) for task in tasks)
    return found if any(new is not old for new, old in zip(found, tasks, strict=True)) else tasks


def _with_priority(task: TaskSpec, own: int) -> TaskSpec:
    below = _prioritised(task.subtasks, own)
    return task if below is task.subtasks and own == task.priority else task.model_copy(update={"priority": own, "subtasks": below})


def refuse_if_too_large(plan: Plan, options: RunOptions, *, depth: int) -> None:
    """Raises LimitExceeded. `depth` is that of the task which is planned, 0 for the root: its tasks lie one deeper."""
    total, level = 0, list[Sequence[TaskSpec]]([plan.tasks])
    deepest = depth
    while level := [siblings for siblings in level if siblings]:
        deepest += 1
        widest = max(len(siblings) for siblings in level)
        _refuse_above(widest, options.max_width, what="tasks side by side below one parent", option="maxWidth", highest=200_000)
        total += sum(len(siblings) for siblings in level)
        level = [task.subtasks for siblings in level for task in siblings]
    _refuse_above(deepest, options.max_depth, what="levels of tasks below the root", option="maxDepth", highest=32)
    _refuse_above(total, options.max_tasks, what="tasks", option="maxTasks", highest=200_000)


def _refuse_above(count: int, limit: int, *, what: str, option: str, highest: int) -> None:
    if count > limit:
        raise LimitExceeded(
            f"the plan has {count} {what}, and the limit is {limit}; make it smaller, or raise the option {option} (at most {highest})"
        )


def digest(plan: Plan) -> str:
    """The plan's SHA-256 as hex digits: what a person approves is this plan and no other."""
    return digest_of(plan.wire())


def digest_of(plan: Mapping[str, Any]) -> str:
    """The same of a plan as JSON types."""
    return hashlib.sha256(canonical(plan)).hexdigest()


def canonical(value: object) -> bytes:
    """As JSON, the same for the same value."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS, default=str)
    except orjson.JSONEncodeError:  # integers of more than 64 bits, among others
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str).encode(errors="surrogatepass")


def cycles(after: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Cycles among siblings, each as a path that ends where it began; every one waits for the next. Empty: there is an order."""
    if written_in_a_row(after):
        return []
    edges = {key: set(names) for key, names in after.items()}
    found: list[list[str]] = []
    while len(found) < MOST_CYCLES:
        try:
            TopologicalSorter(edges).prepare()
        except CycleError as error:
            found.append(error.args[1][::-1])
            edges[found[-1][0]].discard(found[-1][1])
        else:
            break
    return found


def joined(after: Mapping[str, Sequence[str]], *, integrations: Sequence[str], open_ended: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The dependencies, where each of `open_ended` (integration steps that name none) waits for all siblings but integration steps
    and those that themselves wait for it. Raises LimitExceeded where that gives too many dependencies."""
    integrating = set(integrations)
    work = [key for key in after if key not in integrating]
    if len(work) * len(open_ended) > MOST_DEPENDENCIES:
        raise LimitExceeded(
            f"{len(open_ended)} integration steps that each wait for {len(work)} tasks are more than {MOST_DEPENDENCIES} dependencies; "
            "say with `after` what each one waits for, or keep a single one"
        )
    result = {key: tuple(dict.fromkeys(names)) for key, names in after.items()}
    dependents = _dependents(after)
    for key in open_ended:
        waiting = _waiting_for(key, dependents)
        result[key] = tuple(dict.fromkeys([*result[key], *(name for name in work if name not in waiting)]))
    return result


def _dependents(after: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    dependents: dict[str, list[str]] = {}
    for name, needed in after.items():
        for other in needed:
            dependents.setdefault(other, []).append(name)
    return dependents


def _waiting_for(key: str, dependents: Mapping[str, Sequence[str]]) -> set[str]:
    waiting, frontier = {key}, [key]
    while frontier:
        for dependent in dependents.get(frontier.pop(), ()):
            if dependent not in waiting:
                waiting.add(dependent)
                frontier.append(dependent)
    return waiting
