"""A workflow in WfCommons WfFormat 1.5 (https://github.com/wfcommons/WfFormat) as a plan that replays its recorded times."""

import math
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from services.planner import domain
from services.planner.names import Guesses, circle, shortened, unique_slugs
from services.planner.planners.base import PlanRequest
from services.planner.planners.strict_json import json_path
from shared.contracts.plan import Plan, TaskSpec
from shared.errors import BadInput, NotesError

VERSION = "1.5"
SLEPT = {"kind": "schema", "schema": {"type": "object", "required": ["slept"]}}
LONGEST_KEY = 120
# A replayed task must not be cut short by a limit that was meant for other work.
SPARE_SECONDS = 60


class _Recorded(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, frozen=True)


class _Task(_Recorded):
    id: str = Field(min_length=1)
    name: str = Field(min_length=1)
    parents: tuple[str, ...]
    children: tuple[str, ...] | None = None


class _Execution(_Recorded):
    id: str
    runtime_in_seconds: float = Field(ge=0)


class _Specification(_Recorded):
    tasks: tuple[_Task, ...] = Field(min_length=1)


class _Executions(_Recorded):
    tasks: tuple[_Execution, ...] = ()


class _Workflow(_Recorded):
    specification: _Specification
    execution: _Executions = _Executions()


class _File(_Recorded):
    name: str = ""
    description: str | None = ""
    workflow: _Workflow


def workflow_plan(content: dict[str, Any], request: PlanRequest, *, planner: str) -> Plan:
    """One task a recorded task, which sleeps its recorded seconds times the option `time_scale`. Raises NotesError or BadInput."""
    file = request.notes[0].name
    recorded = _read(content, file)
    tasks = recorded.workflow.specification.tasks
    seconds = _seconds(recorded.workflow, request.options.time_scale)
    problems = _problems(tasks, seconds)
    if problems:
        raise NotesError([f"{file}: {problem}" for problem in problems])
    return Plan(
        task_id=request.task_id,
        planner=planner,
        title=shortened(recorded.name or request.prompt.strip().partition("\n")[0] or file),
        description=request.prompt.strip() or recorded.description or "",
        tasks=_specs(tasks, seconds, file=file),
    )


def _read(content: dict[str, Any], file: str) -> _File:
    version = content.get("schemaVersion")
    if version != VERSION:
        message = f"this is WfFormat {version!r}, and {VERSION!r} is read; convert it with the wfcommons package"
        raise NotesError([f"{file}: schemaVersion: {message}"])
    try:
        return _File.model_validate(content)
    except ValidationError as error:
        raise NotesError([f"{file}: {json_path(one['loc'])}: {one['msg']}; mend it there" for one in error.errors()]) from error


def _seconds(workflow: _Workflow, time_scale: float) -> dict[str, float]:
    seconds = {task.id: task.runtime_in_seconds * time_scale for task in workflow.execution.tasks}
    if not all(math.isfinite(value) for value in seconds.values()):
        raise BadInput(f"the recorded times multiplied by timeScale {time_scale} are not finite; set timeScale to a smaller number")
    return seconds


def _problems(tasks: tuple[_Task, ...], seconds: dict[str, float]) -> list[str]:
    by_id = {task.id: task for task in tasks}
    problems: list[str] = []
    guesses = Guesses()
    for place, task in enumerate(tasks):
        path = f"workflow.specification.tasks[{place}]"
        if by_id[task.id] is not task:
            problems.append(f"{path}.id: {task.id!r} is the id of another task; rename one of them")
        if task.id not in seconds:
            problems.append(f"{path}.id: {task.id!r} has no runtimeInSeconds in workflow.execution.tasks; add it")
        unknown = [parent for parent in task.parents if parent not in by_id]
        problems += [f"{path}.parents: there is no task {parent!r}; {guesses.did_you_mean(parent, by_id)}" for parent in unknown]
        problems += [f"{path}.children: {problem}" for problem in _wrong_children(task, by_id, guesses)]
    if not problems:
        rings = domain.cycles({task.id: task.parents for task in tasks})
        message = "workflow.specification.tasks: these wait for each other: {}; remove one of the parents"
        problems = [message.format(circle(ring)) for ring in rings]
    return problems


def _wrong_children(task: _Task, by_id: dict[str, _Task], guesses: Guesses) -> list[str]:
    children = task.children or ()
    unknown = [f"there is no task {child!r}; {guesses.did_you_mean(child, by_id)}" for child in children if child not in by_id]
    one_sided = [child for child in children if child in by_id and task.id not in by_id[child].parents]
    return unknown + [f"{child!r} does not name {task.id!r} among its parents; add it there, or remove the child" for child in one_sided]


def _specs(tasks: tuple[_Task, ...], seconds: dict[str, float], *, file: str) -> tuple[TaskSpec, ...]:
    keys = _keys([task.id for task in tasks])
    names = {task.name for task in tasks}
    return tuple(
        TaskSpec(
            key=keys[task.id],
            title=shortened(task.name if len(names) == len(tasks) else task.id),
            description=f"Stands for {task.name}, which took {seconds[task.id]:g} s by the record, scaled.",
            after=tuple(keys[parent] for parent in dict.fromkeys(task.parents)),
            agent="python",
            inputs={"call": "sleep", "args": {"seconds": seconds[task.id]}},
            checks=(SLEPT,),
            notes=(f"{file}#{task.id}",),
            timeout=2 * seconds[task.id] + SPARE_SECONDS,
            estimate=seconds[task.id],
        )
        for task in tasks
    )


def _keys(ids: list[str]) -> dict[str, str]:
    """The ids themselves, unless one is too long for a key."""
    fits = all(len(one) <= LONGEST_KEY for one in ids)
    return dict(zip(ids, ids if fits else unique_slugs(ids), strict=True))
