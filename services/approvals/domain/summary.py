"""How far a run is, and each group of it: what the page of a run shows without reading the tasks one by one."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from services.approvals.domain.views import UNKNOWN, Beside, add, current, is_group, seen_by_attempt, task_view, usage_of
from shared.contracts.phases import TERMINAL, Phase
from shared.ids import above

Doc = Mapping[str, Any]

DONE = frozenset({Phase.COMPLETED, Phase.SKIPPED})
LOST = frozenset({Phase.FAILED, Phase.CANCELLED})
ASKING = frozenset({Phase.AWAITING_APPROVAL, Phase.ESCALATED})
ACTIVE = frozenset({Phase.RUNNING, Phase.CHECKING, Phase.INTEGRATING, Phase.RETRYING, Phase.REPLANNING, Phase.EXPANDING})


@dataclass(frozen=True, slots=True)
class Below:
    """What lies below one group. `usage` and `started_at` are of the group itself as well; unknown is null, never 0."""

    phases: Mapping[Phase, int] = field(default_factory=dict)
    usage: Mapping[str, Any] = field(default_factory=lambda: UNKNOWN)
    started_at: datetime | None = None

    @property
    def total(self) -> int:
        """How many tasks lie below."""
        return sum(self.phases.values())

    @property
    def ended(self) -> int:
        """How many of them are over, well or not."""
        return self.among(TERMINAL)

    @property
    def lost(self) -> int:
        """How many failed or were cancelled."""
        return self.among(LOST)

    @property
    def asking(self) -> int:
        """How many wait for a person."""
        return self.among(ASKING)

    @property
    def active(self) -> int:
        """How many are being worked on."""
        return self.among(ACTIVE)

    def among(self, phases: Iterable[Phase]) -> int:
        """How many are in one of these phases."""
        return sum(self.phases.get(phase, 0) for phase in phases)


@dataclass(frozen=True, slots=True)
class Summary:
    """One run at one moment: its groups by id, and how many tasks it has, with the root."""

    groups: Mapping[str, Below] = field(default_factory=dict)
    size: int = 0

    def of(self, task_id: str) -> Below:
        """What lies below this task."""
        return self.groups.get(task_id, Below())


class Counting:
    """A summary in the making, page by page: first the tasks, then the attempts, then what models were paid.

    Only groups are kept, and the tasks that are ready until their attempts are counted: a run may have 100 000 tasks.
    """

    def __init__(self, run_id: str) -> None:
        self._phases: dict[str, Counter[Phase]] = defaultdict(Counter, {run_id: Counter()})
        self._usage: dict[str, dict[str, Any]] = defaultdict(lambda: dict(UNKNOWN))
        self._started: dict[str, datetime] = {}
        self._ready: dict[str, str] = {}
        self.size = 0

    def tasks(self, page: Sequence[Doc]) -> None:
        """Count these tasks in the groups right around them."""
        self.size += len(page)
        for task in page:
            if is_group(task):
                self._phases[task["_id"]] += Counter()
            if parent := task.get("parent_id"):
                phase = Phase(task["phase"])
                self._phases[parent][phase] += 1
                if phase is Phase.READY:
                    self._ready[current(task)] = parent

    def attempts(self, page: Sequence[Doc]) -> None:
        """Of ready tasks these say how far they are; and what all cost, and when work began."""
        for attempt in page:
            if parent := self._ready.pop(attempt["_id"], None):
                self._phases[parent][Phase.READY] -= 1
                self._phases[parent][seen_by_attempt(attempt)] += 1
            group = self._group_of(attempt["task_id"])
            add(self._usage[group], usage_of([attempt]))
            self._begins(group, attempt.get("claimed_at"))

    def calls(self, calls: Iterable[Doc]) -> None:
        """What these model calls cost."""
        for call in calls:
            add(self._usage[self._group_of(call["task_id"])], usage_of((), [call]))

    def summary(self) -> Summary:
        """Each group with all that lies below it."""
        names = {group for name in (*self._phases, *self._usage) for group in (name, *above(name))}
        for name in sorted(names, key=lambda name: name.count("."), reverse=True):
            for group in above(name)[-1:]:
                self._phases[group] += self._phases[name]
                add(self._usage[group], self._usage[name])
                self._begins(group, self._started.get(name))
        return Summary({name: self._below(name) for name in names}, self.size)

    def _begins(self, group: str, began: datetime | None) -> None:
        if began:
            self._started[group] = min(began, self._started.get(group, began))

    def _below(self, name: str) -> Below:
        return Below(dict(+self._phases[name]), self._usage[name], self._started.get(name))

    def _group_of(self, task_id: str) -> str:
        return task_id if task_id in self._phases else above(task_id)[-1]


def group_view(task: Doc, beside: Beside, below: Below) -> dict[str, Any]:
    """`TaskView` of a task with others below it, without those; of a root with its counts."""
    view = task_view(task, replace(beside, usage=below.usage, started_at=below.started_at))
    if task.get("parent_id"):
        return view
    counts = Counter(below.phases)
    counts[view["phase"]] += 1
    return {**view, "counts": {str(phase): count for phase, count in counts.items()}}
