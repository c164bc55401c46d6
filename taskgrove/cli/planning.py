"""Plans notes here, without any service: what `plan` shows, and what must be sound before anything is started."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from services.approvals.domain.submitting import INPUT_NAME
from services.planner.domain import refuse_if_too_large, settled
from services.planner.lint import Finding, lint
from services.planner.planners import PlanRequest, planner_named
from services.planner.planners.base import waits
from shared.catalogue.planners import default_planner
from shared.contracts.plan import NotesFile, Plan, RunOptions, TaskSpec
from shared.errors import BadInput, NotesError
from shared.sequence import Sequence as TaskSequence
from shared.sequence import sequence
from taskgrove.cli.notes import read_notes
from taskgrove.cli.thinking import plan_here

PREVIEW = "preview"

Path_ = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Level:
    """The tasks below one parent, and what follows from their dependencies. `path`: the titles down to the parent."""

    path: Path_
    tasks: tuple[TaskSpec, ...]
    sequence: TaskSequence


@dataclass(frozen=True, slots=True)
class Submission:
    """What is submitted. A planner that asks a language model has not planned it yet."""

    prompt: str
    notes: tuple[NotesFile, ...]
    options: RunOptions


@dataclass(frozen=True, slots=True)
class Planned(Submission):
    """Notes with the plan that they give."""

    plan: Plan
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> list[Finding]:
        """What would stop the run."""
        return [finding for finding in self.findings if finding.severity == "error"]

    @property
    def warnings(self) -> list[Finding]:
        """What is worth a second look."""
        return [finding for finding in self.findings if finding.severity == "warning"]

    def levels(self) -> Iterator[Level]:
        """Each level of the plan, from the top down."""
        yield from _levels(self.plan.tasks, ())

    def count(self) -> int:
        """How many tasks there are on all levels."""
        return count_tasks(self.plan)

    def refuse_errors(self) -> None:
        """Raises NotesError with all that would stop the run."""
        if self.errors:
            raise NotesError([finding_line(finding) for finding in self.errors])


def count_tasks(plan: Plan) -> int:
    """How many tasks a plan has on all levels."""
    return sum(len(tasks) for _, tasks in _placed(plan.tasks, ()))


def finding_line(finding: Finding) -> str:
    """`Build / Compile: nothing proves …`"""
    where = " / ".join(finding.path)
    return f"{where}: {finding.message}" if where else finding.message


def submission_of(paths: Sequence[Path], *, prompt: str, options: RunOptions, elsewhere: bool = False) -> Submission:
    """What is submitted for these files: Planned and sound, unless a model has to plan it. Raises as `plan_paths` does.

    `elsewhere`: to a Taskgrove that has a language model, which this process does not know of.
    """
    _refuse_nothing(paths, prompt)
    if waits(planner_named(options.planner)):
        return Submission(prompt, read_notes(paths, planner=options.planner), options)
    planned = plan_paths(paths, prompt=prompt, options=options, elsewhere=elsewhere)
    planned.refuse_errors()
    return planned


def plan_paths(paths: Sequence[Path], *, prompt: str, options: RunOptions, elsewhere: bool = False) -> Planned:
    """The plan for these files. Raises NotesError with file and line, BadInput, LimitExceeded or ModelFailed."""
    _refuse_nothing(paths, prompt)
    planner = planner_named(options.planner)
    notes = read_notes(paths, planner=options.planner)
    made = plan_here(planner, PlanRequest(task_id=PREVIEW, prompt=prompt, notes=notes, options=options), elsewhere=elsewhere)
    plan, resolved = settled(made, options)
    refuse_if_too_large(plan, resolved, depth=0)
    return Planned(prompt, notes, resolved, plan, tuple(lint(plan)))


def _refuse_nothing(paths: Sequence[Path], prompt: str) -> None:
    if not paths and not prompt.strip():
        raise BadInput("there is nothing to do: give notes (--notes PATH), or say what is wanted (--prompt TEXT)")


def run_options(*, planner: str | None, notes: bool, inputs: Sequence[str], **others: Any) -> RunOptions:
    """The options of a run, as they are given on the command line. `notes`: whether there are any. Raises BadInput."""
    given: dict[str, str] = {}
    for one in inputs:
        name, equals, value = one.partition("=")
        if not equals or not name.strip():
            raise BadInput(f"--input {one!r}: write it as NAME=VALUE, such as --input version=1.4")
        if not INPUT_NAME.match(name):
            raise BadInput(f"--input {one!r}: {name!r} cannot be the name of an input: letters, digits, _ and - only, and no digit first")
        if name in given:
            raise BadInput(f"--input {name}: it is given twice; keep one")
        given[name] = value
    try:
        return RunOptions(planner=planner or default_planner(notes=notes), inputs=given, **others)
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInput(f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}; mend the option") from error


def _placed(tasks: tuple[TaskSpec, ...], path: Path_) -> Iterator[tuple[Path_, tuple[TaskSpec, ...]]]:
    yield path, tasks
    for task in tasks:
        if task.subtasks:
            yield from _placed(task.subtasks, (*path, task.title))


def _levels(tasks: tuple[TaskSpec, ...], path: Path_) -> Iterator[Level]:
    for place, siblings in _placed(tasks, path):
        yield Level(place, siblings, sequence(siblings))
