"""A whole branch of a run, joined: who is whose child, what it cost together, how far it is."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.approvals.domain.views import UNKNOWN, Beside, add, current, dependencies_in, overlaid, task_view, usage_of
from shared.ids import above

Doc = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Branch:
    """A task (the first) and all below it, with the attempts, verdicts and model calls of all of them."""

    tasks: Sequence[Doc]
    attempts: Sequence[Doc]
    verdicts: Sequence[Doc] = ()
    dependencies: Sequence[str] = ()
    dependents: Sequence[str] = ()
    calls: Sequence[Doc] = ()


@dataclass(slots=True)
class Joined:
    """A branch, with its cross references worked out."""

    children: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    dependencies: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    dependents: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    attempts: dict[str, Doc] = field(default_factory=dict)
    verdicts: dict[str, Doc] = field(default_factory=dict)
    usage: dict[str, dict[str, Any]] = field(default_factory=dict)
    started: dict[str, datetime] = field(default_factory=dict)

    def beside(self, task: Doc) -> Beside:
        """What the rest of the branch says about one task."""
        name, key = task["_id"], current(task)
        usage, children = self.usage.get(name, UNKNOWN), self.children.get(name, ())
        dependencies, dependents = self.dependencies.get(name, ()), self.dependents.get(name, ())
        attempt, verdict, started = self.attempts.get(key), self.verdicts.get(key), self.started.get(name)
        return Beside(attempt, verdict, usage, children, dependencies, dependents, started)


def join(branch: Branch) -> Joined:
    """Work out the cross references of a branch."""
    joined = Joined()
    for task in sorted(branch.tasks, key=lambda task: (task.get("position") or 0, task["_id"])):
        if parent := task.get("parent_id"):
            joined.children[parent].append(task["_id"])
        for before, after in dependencies_in(task):
            joined.dependencies[after].append(before)
            joined.dependents[before].append(after)
    top = branch.tasks[0]["_id"]
    joined.dependencies[top], joined.dependents[top] = list(branch.dependencies), list(branch.dependents)
    joined.attempts = {attempt["_id"]: attempt for attempt in branch.attempts}
    joined.verdicts = {verdict["_id"]: verdict for verdict in branch.verdicts}
    joined.usage = rolled_up(branch)
    joined.started = first_starts(branch)
    return joined


def first_starts(branch: Branch) -> dict[str, datetime]:
    """When work on each task began: its own, or the first below it."""
    first: dict[str, datetime] = {}
    for attempt in branch.attempts:
        name, began = attempt["task_id"], attempt.get("claimed_at")
        while name and began:
            first[name] = min(began, first.get(name, began))
            name = name.rpartition(".")[0]
    return first


def by_task(docs: Iterable[Doc]) -> dict[str, list[Doc]]:
    """These documents by the task that they are about."""
    found: dict[str, list[Doc]] = defaultdict(list)
    for doc in docs:
        found[doc["task_id"]].append(doc)
    return found


def rolled_up(branch: Branch) -> dict[str, dict[str, Any]]:
    """What each task cost: its own attempts and model calls, and all below it; also of those that are there no more."""
    own, paid = by_task(branch.attempts), by_task(branch.calls)
    usage: dict[str, dict[str, Any]] = {task["_id"]: dict(UNKNOWN) for task in branch.tasks}
    for name in sorted({*usage, *own, *paid}):
        cost = usage_of(own[name], paid[name])
        for task_id in (name, *above(name)):
            if task_id in usage:
                add(usage[task_id], cost)
    return usage


def counts(branch: Branch, joined: Joined) -> dict[str, int]:
    """How many tasks of the branch, its root among them, are in each phase."""
    return dict(Counter(str(overlaid(task, joined.attempts.get(current(task)))) for task in branch.tasks))


def nested_view(branch: Branch) -> dict[str, Any]:
    """The whole branch, children inside their parents, in the order of their positions."""
    joined = join(branch)
    views = {task["_id"]: task_view(task, joined.beside(task)) for task in branch.tasks}
    for name, view in views.items():
        view["children"] = [views[child] for child in joined.children.get(name, ())]
    top = branch.tasks[0]
    return {**views[top["_id"]], "counts": None if top.get("parent_id") else counts(branch, joined)}
