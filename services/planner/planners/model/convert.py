"""From what a model said to a plan: every name resolved, every rule applied, everything wrong named so that the model can mend it."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from services.planner.lint import ALIKE, errors_of
from services.planner.names import did_you_mean
from services.planner.planners.base import PlanRequest
from services.planner.planners.model.language import CHECK_VALUES, OWN_APPROVALS, SaidCheck, SaidPlan, SaidTask, Vocabulary
from services.planner.planners.model.notes import Demand, ReadNotes
from services.planner.planners.outline.roots import described
from services.planner.planners.outline.values import inside
from services.planner.planners.strict_json import json_path, strict_json
from shared.contracts.plan import Checkpoint, Plan, TaskSpec
from shared.headings import slug

DEEPEST = 64  # MongoDB takes 100 levels, and a plan around this has some of its own


class Misunderstood(Exception):
    """The answer, `said`, is no plan that could be carried out; one line a problem."""

    def __init__(self, problems: Sequence[str], *, said: str) -> None:
        self.problems = tuple(problems)
        self.said = said
        super().__init__("\n".join(problems))


@dataclass(frozen=True, slots=True)
class Terms:
    """What an answer is held against."""

    request: PlanRequest
    notes: ReadNotes
    vocabulary: Vocabulary


def plan_from(text: str, terms: Terms, *, planner: str) -> Plan:
    """The plan that this answer stands for. Raises Misunderstood with all that is wrong."""
    said = _said(text)
    problems = [
        *_unknown_names(said, terms.vocabulary),
        *_lost_approvals(said, terms),
        *_unplaced(said, terms),
        *_no_breakdown(said, terms.request),
    ]
    tasks = tuple(_task(task, terms.notes, problems) for task in said.tasks)
    request = terms.request
    plan = Plan(
        task_id=request.task_id,
        planner=planner,
        title=request.scope.title if request.scope else said.title,
        description=request.scope.description if request.scope else described(request.prompt, []),
        tasks=_joined(tasks, whole=request.scope is None),
    )
    problems += [f"{' / '.join(finding.path) or 'the plan'}: {finding.message}" for finding in errors_of(plan)]
    if problems:
        raise Misunderstood(problems, said=text)
    return plan


def _said(text: str) -> SaidPlan:
    try:
        return SaidPlan.model_validate(strict_json(text))
    except ValidationError as error:
        raise Misunderstood([f"{json_path(one['loc']) or 'the answer'}: {one['msg']}" for one in error.errors()], said=text) from error
    except ValueError as error:
        raise Misunderstood([f"the answer is no JSON that can be used: {error}"], said=text) from error


def _unknown_names(said: SaidPlan, vocabulary: Vocabulary) -> Iterator[str]:
    if len(said.tasks) > vocabulary.most_tasks:
        yield f"there are {len(said.tasks)} tasks, and {vocabulary.most_tasks} is the limit; join some"
    for task in said.tasks:
        yield from _unknown("agent", (task.agent,), vocabulary.agents, key=task.key)
        yield from _unknown("approval", (task.approval,), vocabulary.approval_words, key=task.key)
        yield from _unknown("section", task.notes, vocabulary.sections, key=task.key)
        yield from _unknown("check", [check.kind for check in task.checks], vocabulary.checks, key=task.key)


def _unknown(what: str, names: Sequence[str], known: Sequence[str], *, key: str) -> Iterator[str]:
    for name in names:
        if name not in known:
            yield f"{key}: there is no {what} {name!r}; {did_you_mean(name, [one for one in known if one])}"


def _lost_approvals(said: SaidPlan, terms: Terms) -> Iterator[str]:
    """Every approval that the notes ask for is a checkpoint of a task; what works on its section has it, or waits for what has it."""
    carried = {task.approval for task in said.tasks}
    for demand in terms.notes.demands if terms.request.scope is None else ():
        title = demand.section.title
        if demand.mark not in carried:
            yield (
                f"the notes ask for an approval at {title!r} ({demand.place}), and no task has it; "
                f'set "approval": "{demand.mark}" on the task that does that work'
            )
            continue
        for task in said.tasks:
            if _works_on(task, demand, terms.notes) and not _is_behind(task, demand, said):
                yield (
                    f"{task.key}: it works on {title!r}, which needs the approval {demand.mark}; set it here, or let this task "
                    f"wait (after) for the one that has it"
                )


def _unplaced(said: SaidPlan, terms: Terms) -> Iterator[str]:
    """Where the notes ask for an approval, work that names no section could be the work that needs it."""
    if terms.request.scope is not None or not terms.notes.demands:
        return
    asked = {demand.mark for demand in terms.notes.demands}
    for task in said.tasks:
        if task.approval not in asked and not any(terms.notes.section(mark) for mark in task.notes):
            yield f'{task.key}: the notes ask for an approval, so each task must name the sections that it works on; set "notes"'


def _works_on(task: SaidTask, demand: Demand, notes: ReadNotes) -> bool:
    sections = [section for mark in task.notes if (section := notes.section(mark))]
    return any(demand.section.mark in (section.mark, *section.above) for section in sections)


def _is_behind(task: SaidTask, demand: Demand, said: SaidPlan) -> bool:
    """Whether the task has the approval, or cannot start without it. One that is asked for afterwards holds back nobody before it."""
    if demand.checkpoint.when == "after":
        return True
    by_key = {one.key: one for one in said.tasks}
    seen, frontier = {task.key}, [task]
    while frontier:
        one = frontier.pop()
        if one.approval == demand.mark:
            return True
        fresh = [by_key[key] for key in one.after if key in by_key and key not in seen]
        seen |= {other.key for other in fresh}
        frontier += fresh
    return False


def _no_breakdown(said: SaidPlan, request: PlanRequest) -> Iterator[str]:
    if request.scope is None or len(said.tasks) > 1:
        return
    child, parent = slug(said.tasks[0].title), slug(request.scope.title)
    if child == parent or difflib.SequenceMatcher(a=child, b=parent, autojunk=False).ratio() >= ALIKE:
        yield f"the only subtask, {said.tasks[0].title!r}, is the task itself again; split the work into at least two smaller tasks"


def _joined(tasks: tuple[TaskSpec, ...], *, whole: bool) -> tuple[TaskSpec, ...]:
    """What nobody waits for gives its files to the parent, whose checks and dependents look for them. A run needs no more than one such."""
    needed = {name for task in tasks for name in task.after}
    last = {task.key for task in tasks if task.key not in needed}
    if whole and (len(last) > 1 or not any(task.after for task in tasks if task.key in last)):
        return tasks
    return tuple(task.model_copy(update={"kind": "integration"}) if task.key in last else task for task in tasks)


def _task(said: SaidTask, notes: ReadNotes, problems: list[str]) -> TaskSpec:
    demand = next((one for one in notes.demands if one.mark == said.approval), None)
    sections = [section for mark in said.notes if (section := notes.section(mark))]
    if demand and demand.section not in sections:
        sections.append(demand.section)
    for path in said.outputs:
        problems += _outside(said.key, path)
    return TaskSpec(
        key=said.key,
        title=said.title,
        description=said.description,
        after=tuple(dict.fromkeys(said.after)),
        agent=said.agent,
        inputs={"script": said.script} if said.agent == "shell" else {},
        outputs=said.outputs,
        checks=tuple(check for one in said.checks if (check := _check(said.key, one, problems))),
        checkpoint=_checkpoint(said, demand),
        notes=tuple(dict.fromkeys(section.reference for section in sections)),
        estimate=said.seconds or None,
    )


def _checkpoint(said: SaidTask, demand: Demand | None) -> Checkpoint | None:
    """As the notes ask for it, word for word; or one that the model thinks wise, which anyone who may approve can answer."""
    if demand:
        return demand.checkpoint
    return Checkpoint.model_validate({"when": said.approval}) if said.approval in OWN_APPROVALS else None


def _check(key: str, said: SaidCheck, problems: list[str]) -> Mapping[str, Any]:
    field = CHECK_VALUES.get(said.kind)
    check: dict[str, Any] = {"kind": said.kind}
    if said.path and said.kind in ("file", "contains", "schema"):
        problems += _outside(key, said.path)
        check["path"] = said.path
    if field == "schema":
        check["schema"] = _schema(key, said.value, problems)
    elif field:
        check[field] = said.value
    return check


def _schema(key: str, value: str, problems: list[str]) -> dict[str, Any]:
    try:
        found = strict_json(value)
    except ValueError as error:
        problems.append(f"{key}: the value of the check `schema` is no JSON Schema: {error}")
        return {}
    if not isinstance(found, dict):
        problems.append(f"{key}: the value of the check `schema` is JSON, but no object")
        return {}
    if _is_deep(found):
        problems.append(f"{key}: the value of the check `schema` is nested deeper than {DEEPEST} levels, which cannot be kept")
        return {}
    return found


def _is_deep(value: Any, left: int = DEEPEST) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return not left or any(_is_deep(one, left - 1) for one in inner)


def _outside(key: str, path: str) -> list[str]:
    try:
        inside(path)
    except ValueError as error:
        return [f"{key}: {error}"]
    return []
