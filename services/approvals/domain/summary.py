"""How far a run is, and each group of it: what the page of a run shows without reading the tasks one by one."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.approvals.domain.tree import Branch, first_starts, rolled_up
from services.approvals.domain.views import UNKNOWN, current, overlaid
from shared.contracts.phases import TERMINAL, Phase
from shared.ids import above

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
    """One run at one moment: its groups by id, and the phase of each task that something is known of."""

    groups: Mapping[str, Below] = field(default_factory=dict)
    size: int = 0

    def of(self, task_id: str) -> Below:
        """What lies below this task."""
        return self.groups.get(task_id, Below())


def summarize(branch: Branch) -> Summary:
    """The summary of a whole run, its root first in `branch`."""
    attempts = {attempt["_id"]: attempt for attempt in branch.attempts}
    phases: dict[str, Counter[Phase]] = {branch.tasks[0]["_id"]: Counter()}
    for task in branch.tasks:
        phase = overlaid(task, attempts.get(current(task)))
        for group in above(task["_id"]):
            phases.setdefault(group, Counter())[phase] += 1
    usage, started = rolled_up(branch), first_starts(branch)
    groups = {name: Below(dict(counted), usage.get(name, UNKNOWN), started.get(name)) for name, counted in phases.items()}
    return Summary(groups, len(branch.tasks))
