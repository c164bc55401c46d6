"""A whole branch of a run, joined: who is whose child, what it cost together, how far it is."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from services.approvals.domain.views import UNKNOWN, Beside, add, current, dependencies_in, task_view, usage_of
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


def by_task(docs: Iterable[Doc]) -> dict[str, list[Doc]]:
    """These documents by the task that they are about."""
    found: dict[str, list[Doc]] = defaultdict(list)
    for doc in docs:
        found[doc["task_id"]].append(doc)
    return found


class Joined:
    """A branch with its cross references worked out, fed page by page: the tasks first, then attempts and model calls.

    Of each document only what others need is kept: a branch may have 100 000 tasks. What is only its own comes with a task (`view`).
    """

    def __init__(self, top: str, *, dependencies: Sequence[str] = (), dependents: Sequence[str] = ()) -> None:
        self.top = top
        self._around = (dependencies, dependents)
        self._children: dict[str, list[str]] = defaultdict(list)
        self._before: dict[str, list[str]] = defaultdict(list)
        self._after: dict[str, list[str]] = defaultdict(list)
        self._place: dict[str, tuple[int, str]] = {}
        self._usage: dict[str, dict[str, Any]] = {}
        self._started: dict[str, datetime] = {}

    def tasks(self, page: Iterable[Doc]) -> None:
        """What these say of each other."""
        for task in page:
            name = task["_id"]
            self._place[name] = (task.get("position") or 0, name)
            if parent := task.get("parent_id"):
                self._children[parent].append(name)
            for before, after in dependencies_in(task):
                self._before[after].append(before)
                self._after[before].append(after)

    def attempts(self, page: Iterable[Doc]) -> None:
        """What these cost, and when work on their tasks and all around those began: with the first of them."""
        for attempt in page:
            name, began = attempt["task_id"], attempt.get("claimed_at")
            self._paid(name, usage_of([attempt]))
            while name and began:
                self._started[name] = min(began, self._started.get(name, began))
                name = name.rpartition(".")[0]

    def calls(self, page: Iterable[Doc]) -> None:
        """What these cost; also of tasks that are there no more."""
        for call in page:
            self._paid(call["task_id"], usage_of((), [call]))

    def usage(self, name: str) -> dict[str, Any]:
        """What a task cost, and all below it."""
        return self._usage.get(name, UNKNOWN)

    @property
    def size(self) -> int:
        """How many tasks it has."""
        return len(self._place)

    def ordered(self) -> list[str]:
        """The top and all below it: children right after their parents, in the order of their positions."""
        found, open_ = list[str](), [self.top]
        while open_:
            found.append(name := open_.pop())
            open_ += reversed(self._sorted(self._children.get(name, ())))
        return found

    def view(self, task: Doc, attempt: Doc | None, verdict: Doc | None) -> dict[str, Any]:
        """`TaskView` of one task of it as JSON, without its children."""
        name = task["_id"]
        children = self._sorted(self._children.get(name, ()))
        before, after = self._around if name == self.top else (self._before.get(name, ()), self._after.get(name, ()))
        usage, started = self.usage(name), self._started.get(name)
        return task_view(task, Beside(attempt, verdict, usage, children, self._sorted(before), self._sorted(after), started))

    def _paid(self, name: str, cost: Doc) -> None:
        for task_id in (name, *above(name)):
            if task_id in self._place:
                add(self._usage.setdefault(task_id, dict(UNKNOWN)), cost)

    def _sorted(self, names: Sequence[str]) -> list[str]:
        return sorted(names, key=lambda name: self._place.get(name, (0, name)))


class Nested:
    """The JSON of a branch, written task by task in the order of `Joined.ordered`, each inside its parent."""

    def __init__(self, joined: Joined) -> None:
        self._top = joined.top
        self._depth = -1
        self._counts: Counter[str] = Counter()

    def add(self, view: dict[str, Any]) -> bytes:
        """What comes next, with the view of the next task."""
        depth = view["taskId"].count(".") - self._top.count(".")
        ended = b"]}" * (self._depth - depth + 1) + b"," if depth <= self._depth else b""
        self._depth = depth
        self._counts[str(view["phase"])] += 1
        own = {key: value for key, value in view.items() if key != "children" and (depth or key != "counts")}
        return ended + orjson.dumps(own)[:-1] + b',"children":['

    def end(self) -> bytes:
        """What closes it; a root has its counts there."""
        counts = None if "." in self._top else self._counts
        return b"]}" * self._depth + b'],"counts":' + orjson.dumps(counts) + b"}"


def nested_view(branch: Branch) -> dict[str, Any]:
    """The whole branch, children inside their parents, in the order of their positions."""
    joined = Joined(branch.tasks[0]["_id"], dependencies=branch.dependencies, dependents=branch.dependents)
    joined.tasks(branch.tasks)
    joined.attempts(branch.attempts)
    joined.calls(branch.calls)
    attempts = {attempt["_id"]: attempt for attempt in branch.attempts}
    verdicts = {verdict["_id"]: verdict for verdict in branch.verdicts}
    views = {task["_id"]: joined.view(task, attempts.get(current(task)), verdicts.get(current(task))) for task in branch.tasks}
    for view in views.values():
        view["children"] = [views[child] for child in view["childIds"]]
    counts = Counter(str(view["phase"]) for view in views.values())
    return {**views[joined.top], "counts": None if "." in joined.top else dict(counts)}
