"""The planner for plans that exist already: as JSON of the house, or as a WfCommons workflow."""

import json
from functools import cache
from pathlib import PurePosixPath
from typing import Any

from pydantic import BaseModel, Field, ValidationError
from pydantic_core import ErrorDetails

from services.planner import domain
from services.planner.lint import errors_of
from services.planner.names import did_you_mean, shortened
from services.planner.planners.base import PlanRequest
from services.planner.planners.strict_json import json_path, strict_json
from services.planner.planners.wfformat import workflow_plan
from shared.contracts.base import Value
from shared.contracts.plan import MOST_AT_ONCE, Checkpoint, NotesFile, Plan, TaskSpec
from shared.errors import BadInput, NotesError

NEITHER = (
    'this is neither a plan ({"title": …, "tasks": […]}) nor a WfFormat workflow ({"schemaVersion": "1.5", "workflow": …}); '
    "give one of these"
)
WRONG = {
    "too_short": "there is nothing in it, and one at least is needed",
    "tuple_type": "this is no list ([…])",
    "dict_type": "this is no object ({…})",
    "model_type": "this is no object ({…})",
    "model_attributes_type": "this is no object ({…})",
}
NESTED: dict[str, type[BaseModel]] = {"tasks": TaskSpec, "subtasks": TaskSpec, "checkpoint": Checkpoint}


class PlanFile(Value):
    """What a plan file holds. An exported plan may say more (`taskId`, `version`, `planner`); that belongs to where it came from."""

    title: str = Field(default="", max_length=300)
    description: str = ""
    checks: tuple[dict[str, Any], ...] = ()
    priority: int | None = Field(default=None, ge=0, le=9)
    concurrency: int | None = Field(default=None, ge=1, le=MOST_AT_ONCE)
    tasks: tuple[TaskSpec, ...] = Field(min_length=1)


class ImportPlanner:
    """Takes a plan over as it is, once it is sound."""

    name = "import"

    def plan(self, request: PlanRequest) -> Plan:
        """The plan in the one file of notes. Raises NotesError that names what is wrong and where in the JSON."""
        if len(request.notes) != 1:
            raise BadInput(f"import takes exactly one file, a plan as JSON, and there are {len(request.notes)}; give that one alone")
        notes = request.notes[0]
        content = _content(notes)
        if "workflow" in content:
            return workflow_plan(content, request, planner=self.name)
        if "tasks" in content:
            return _plan(content, request, planner=self.name)
        raise NotesError([f"{notes.name}:1: {NEITHER}"])


def _content(notes: NotesFile) -> dict[str, Any]:
    try:
        content = strict_json(notes.text.removeprefix("\ufeff"))
    except json.JSONDecodeError as error:
        raise NotesError([f"{notes.name}:{error.lineno}: column {error.colno}: this is not JSON: {error.msg}; mend it there"]) from error
    except ValueError as error:
        raise NotesError([f"{notes.name}:1: this cannot be taken as JSON: {error}; mend it"]) from error
    if not isinstance(content, dict):
        raise NotesError([f"{notes.name}:1: {NEITHER}"])
    return content


def _plan(content: dict[str, Any], request: PlanRequest, *, planner: str) -> Plan:
    file = request.notes[0].name
    try:
        given = PlanFile.model_validate(content)
    except ValidationError as error:
        raise NotesError([f"{file}: {json_path(one['loc'])}: {_said(one)}; mend it there" for one in error.errors()]) from error
    if _says_more(given) and (unknown := _unknown_fields(content, Plan, path="")):
        raise NotesError([f"{file}: {problem}" for problem in unknown])
    plan = Plan(
        task_id=request.task_id,
        planner=planner,
        title=given.title or shortened(request.prompt.strip().partition("\n")[0] or PurePosixPath(file).stem),
        description=request.prompt.strip() or given.description,
        checks=given.checks,
        priority=given.priority,
        concurrency=given.concurrency,
        tasks=_grouped(given.tasks),
    )
    domain.refuse_if_too_large(plan, request.options, depth=0)  # before a line is written for each of too many tasks
    errors = errors_of(plan)
    if errors:
        raise NotesError([f"{file}: {' / '.join(error.path) or 'the plan'}: {error.message}" for error in errors])
    return plan.model_copy(update={"tasks": _integrated(plan.tasks)})


def _said(error: ErrorDetails) -> str:
    """What is wrong with a value, in the words of JSON."""
    return WRONG.get(error["type"]) or str(error["msg"])


def _grouped(tasks: tuple[TaskSpec, ...]) -> tuple[TaskSpec, ...]:
    """A task with subtasks is a group, whether or not the file says so."""
    return tuple(
        task.model_copy(update={"kind": "group", "subtasks": _grouped(task.subtasks)}) if task.subtasks else task for task in tasks
    )


def _integrated(tasks: tuple[TaskSpec, ...]) -> tuple[TaskSpec, ...]:
    """An integration step that names nothing to wait for waits for its siblings, as in the outline format."""
    integrations = [task.key for task in tasks if task.kind == "integration"]
    open_ended = [task.key for task in tasks if task.kind == "integration" and not task.after]
    after = domain.joined({task.key: task.after for task in tasks}, integrations=integrations, open_ended=open_ended)
    return tuple(_integrated_one(task, after[task.key]) for task in tasks)


def _integrated_one(task: TaskSpec, after: tuple[str, ...]) -> TaskSpec:
    """What need not change stays the very same: a plan may have very many tasks."""
    if after == task.after and not task.subtasks:
        return task
    return task.model_copy(update={"after": after, "subtasks": _integrated(task.subtasks)})


def _says_more(value: PlanFile | TaskSpec) -> bool:
    """Whether there is a field anywhere that its model does not have: only then it is worth looking for its place."""
    below = value.tasks if isinstance(value, PlanFile) else value.subtasks
    at = value.checkpoint if isinstance(value, TaskSpec) else None
    return bool(value.__pydantic_extra__ or (at and at.__pydantic_extra__)) or any(_says_more(task) for task in below)


@cache
def _names(model: type[BaseModel]) -> tuple[frozenset[str], tuple[str, ...]]:
    """What a field may be called, and what it should be called."""
    known = {name: field.alias or name for name, field in model.model_fields.items()}
    return frozenset({*known, *known.values()}), tuple(known.values())


def _unknown_fields(content: dict[str, Any], model: type[BaseModel], *, path: str) -> list[str]:
    """Fields that the models would ignore: a typing error must not cost a setting without a word."""
    names, aliases = _names(model)
    problems = [f"{path}{name}: there is no such field; {did_you_mean(name, aliases)}" for name in content if name not in names]
    for name, value in content.items():
        for place, part in enumerate(value if isinstance(value, list) else [value]):
            if name in NESTED and isinstance(part, dict):
                index = f"[{place}]" if isinstance(value, list) else ""
                problems += _unknown_fields(part, NESTED[name], path=f"{path}{name}{index}.")
    return problems
