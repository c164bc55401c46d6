"""Looks a plan over before anything starts: errors would stop it later, warnings are worth a second look."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Literal

from pydantic import ValidationError

from services.planner import domain
from services.planner.names import Guesses, circle, did_you_mean
from shared.catalogue.agents import known_agents
from shared.catalogue.checks import parse_check
from shared.contracts.plan import Plan, TaskSpec
from shared.errors import BadInput
from shared.globs import hidden_parts
from shared.headings import slug
from shared.plugins import INSTALL

Severity = Literal["error", "warning"]
Path = tuple[str, ...]
ALIKE = 0.9
WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong or odd. `path` holds the titles from the top of the plan down to the task; empty: the plan itself."""

    code: str
    severity: Severity
    path: Path
    message: str


def lint(plan: Plan) -> list[Finding]:
    """All findings: what each task says of itself from the top of the plan down, then what shows only beside others."""
    placed = list(_levels(plan.tasks, ()))
    odd = [finding for above, siblings in placed for finding in _orphans(siblings, above)]
    tasks = [((*above, task.title), task) for above, siblings in placed for task in siblings]
    return [*_looked_over(plan), *odd, *(_duplicate(path, other) for path, other in _duplicates(tasks))]


def errors_of(plan: Plan) -> list[Finding]:
    """What would stop it. Looking for orphans and duplicates, which would not, takes as long again."""
    return [finding for finding in _looked_over(plan) if finding.severity == "error"]


def _looked_over(plan: Plan) -> list[Finding]:
    findings = list(_checks(plan.checks, ()))
    if not plan.tasks:
        findings.append(Finding("empty-plan", "error", (), "the plan has no tasks; add one"))
    guesses = Guesses()
    for above, siblings in _levels(plan.tasks, ()):
        findings += _siblings(siblings, above, guesses)
        for task in siblings:
            findings += _task(task, (*above, task.title))
    return findings


def _levels(tasks: Sequence[TaskSpec], above: Path) -> Iterator[tuple[Path, Sequence[TaskSpec]]]:
    yield above, tasks
    for task in tasks:
        if task.subtasks:
            yield from _levels(task.subtasks, (*above, task.title))


def _siblings(siblings: Sequence[TaskSpec], above: Path, guesses: Guesses) -> Iterator[Finding]:
    by_key = {task.key: task for task in siblings}
    for task in siblings:
        path = (*above, task.title)
        if by_key[task.key] is not task:
            yield Finding("duplicate-key", "error", path, f"a sibling has the key {task.key!r} as well; give each a key of its own")
        for name in task.after:
            if name not in by_key:
                hint = guesses.did_you_mean(name, by_key)
                yield Finding("unknown-after", "error", path, f"`after` names {name!r}, which is no sibling; {hint}")
    known = {task.key: [name for name in task.after if name in by_key] for task in siblings}
    for ring in domain.cycles(known):
        message = f"these wait for each other: {circle(ring)}; remove one of the dependencies"
        yield Finding("cycle", "error", (*above, by_key[ring[0]].title), message)


def _orphans(siblings: Sequence[TaskSpec], above: Path) -> Iterator[Finding]:
    """An integration step without `after` waits for all, so there are orphans only where every step names what it waits for."""
    steps = [task for task in siblings if task.kind == "integration"]
    if not steps or any(not task.after for task in steps):
        return
    needed = {name for task in siblings for name in task.after}
    for task in siblings:
        if task.kind != "integration" and task.key not in needed:
            message = "nothing waits for this task, so its result is in no integration; add it to the `after` of one, or remove it"
            yield Finding("orphan", "warning", (*above, task.title), message)


def _task(task: TaskSpec, path: Path) -> Iterator[Finding]:
    yield from _checks(task.checks, path)
    if task.subtasks:
        return
    if task.kind == "group":
        yield Finding("empty-group", "error", path, "this group has no tasks; add some, or make it a task of its own")
        return
    if not task.checks:
        yield Finding("no-check", "warning", path, "nothing proves that this task was done; add a check")
    for check in task.checks:
        if wrong := not_kept(check, task.outputs):
            yield Finding("not-kept", "error", path, wrong)
    yield from _agent(task, path)


def _agent(task: TaskSpec, path: Path) -> Iterator[Finding]:
    if task.agent is None:
        yield Finding("no-agent", "error", path, f"no agent is named, and no model is configured; name one of {', '.join(known_agents())}")
        return
    if task.agent not in known_agents():
        hint = f"{did_you_mean(task.agent, known_agents())} {INSTALL}"
        yield Finding("unknown-agent", "error", path, f"there is no agent {task.agent!r}; {hint}")
        return
    try:
        known_agents()[task.agent].inputs.model_validate(task.inputs)
    except ValidationError as error:
        for one in error.errors():
            field = ".".join(str(part) for part in one["loc"])
            yield Finding("bad-inputs", "error", path, f"inputs.{field} for agent {task.agent!r}: {one['msg']}; mend it")


def _checks(checks: Sequence[dict[str, object]], path: Path) -> Iterator[Finding]:
    for check in checks:
        try:
            parse_check(check)
        except BadInput as error:
            yield Finding("bad-check", "error", path, f"{error}; mend the check")


def not_kept(check: Mapping[str, object], outputs: Sequence[str]) -> str | None:
    """What is wrong with a check that looks for a hidden file where `outputs` names none such, so that none is kept. None: nothing."""
    path = str(check.get("path") or "")
    kept = hidden_parts(*outputs)
    if all(kept if WILD.search(part) else any(fnmatchcase(part, one) for one in kept) for part in hidden_parts(path)):
        return None
    more = path if outputs else f"**, {path}"
    return f"{path!r} is hidden, and hidden files are kept only where `outputs` names them; add `outputs: {more}`"


def _duplicates(tasks: Sequence[tuple[Path, TaskSpec]]) -> Iterator[tuple[Path, Path]]:
    """Pairs of a task and an earlier one with the same agent and inputs and nearly the same title."""
    same_work: dict[bytes, list[tuple[str, int]]] = {}
    for place, (_, task) in enumerate(tasks):
        # A joining step works on what its siblings left, so that the same script elsewhere is other work.
        if not task.subtasks and task.kind != "integration":
            work = domain.canonical([task.agent, _spaced(task.inputs)])
            same_work.setdefault(work, []).append((slug(task.title), place))
    for named in same_work.values():
        # Titles that are alike stand next to each other once they are sorted: n comparisons, not n².
        named.sort()
        for (one, first), (two, second) in pairwise(named):
            if _alike(one, two, blank=not any(tasks[first][1].inputs.values())):
                yield tasks[max(first, second)][0], tasks[min(first, second)][0]


def _alike(one: str, two: str, *, blank: bool) -> bool:
    """Numbers tell tasks apart ("Part 1", "Part 2"), and so does every letter where the title is all that a task says."""
    if one == two:
        return True
    if blank or re.findall(r"\d+", one) != re.findall(r"\d+", two):
        return False
    return difflib.SequenceMatcher(a=one, b=two, autojunk=False).ratio() >= ALIKE


def _spaced(value: object) -> object:
    """Inputs without differences in white space."""
    if isinstance(value, str):
        return " ".join(value.split())
    if isinstance(value, dict):
        return {str(key): _spaced(part) for key, part in value.items()}
    return [_spaced(part) for part in value] if isinstance(value, list | tuple) else value


def _duplicate(path: Path, other: Path) -> Finding:
    message = f"this looks like the same task as {' / '.join(other)}: the same inputs under nearly the same title; remove one of them"
    return Finding("duplicate", "warning", path, message)
