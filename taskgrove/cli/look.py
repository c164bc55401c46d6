"""One look at a run: its tasks, how many are in which phase, and what waits for people. All views and decisions are made from looks."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter
from statistics import median

from shared.contracts.phases import TERMINAL, Phase
from shared.contracts.views import ApprovalView, TaskView
from taskgrove.client import Client

WHOLE = 1_000
"""Up to this many tasks are looked at one by one; of more, only how many are in which phase, and those that matter."""
SAMPLE = 20
SAMPLED = (Phase.RUNNING, Phase.AWAITING_APPROVAL, Phase.ESCALATED, Phase.FAILED)
ASKING = (Phase.AWAITING_APPROVAL, Phase.ESCALATED)
AT_WORK = frozenset({Phase.RUNNING, Phase.CHECKING, Phase.INTEGRATING})
MOVING = AT_WORK | {Phase.READY, Phase.RETRYING, Phase.EXPANDING, Phase.REPLANNING}


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen. `tasks` holds every task of a run up to WHOLE, parents first; of a larger one a sample."""

    root: TaskView
    tasks: tuple[TaskView, ...]
    counts: dict[Phase, int]
    approvals: tuple[ApprovalView, ...]
    at: float

    @property
    def total(self) -> int:
        """How many tasks there are below the root."""
        return max(0, sum(self.counts.values()) - 1)

    @property
    def done(self) -> int:
        """How many of them have ended, well or not."""
        return sum(count for phase, count in self.counts.items() if phase in TERMINAL) - int(self.ended)

    def below(self) -> dict[Phase, int]:
        """How many tasks below the root are in which phase."""
        counts = {phase: count - (phase is self.root.phase) for phase, count in self.counts.items()}
        return {phase: count for phase, count in counts.items() if count}

    @property
    def ended(self) -> bool:
        """Whether the run is over."""
        return self.root.phase in TERMINAL

    @property
    def whole(self) -> bool:
        """Whether `tasks` is all."""
        return self.total <= WHOLE

    @property
    def moves(self) -> bool:
        """Whether anything goes on without a person. What is paused ends what it is at, and begins nothing."""
        if self.whole:
            return any(task.phase in (AT_WORK if task.paused else MOVING) for task in (self.root, *self.tasks))
        return any(count and phase in (AT_WORK if self.root.paused else MOVING) for phase, count in self.counts.items())

    @property
    def paused(self) -> list[TaskView]:
        """Open tasks that someone paused; the topmost come first."""
        return [task for task in (self.root, *self.tasks) if task.paused and task.phase not in TERMINAL]

    def waits_for_people(self) -> bool:
        """Whether nothing can happen until someone answers, or resumes what is paused."""
        return not self.ended and not self.moves and bool(self.approvals or self.paused)

    def elapsed(self) -> float | None:
        """Seconds since the run began, until its end if it has one."""
        if self.root.created_at is None:
            return None
        end = self.root.finished_at.timestamp() if self.root.finished_at else self.at
        return max(0.0, end - self.root.created_at.timestamp())


async def look(client: Client, run_id: str, *, last: Look | None = None) -> Look:
    """Look at a run now. `last` tells whether it is a large one."""
    root = await client.task(run_id, tree=last is not None and last.whole)
    counts = {Phase(phase): count for phase, count in (root.counts or {root.phase: 1}).items()}
    if sum(counts.values()) - 1 > WHOLE:
        tasks = [task for phase in SAMPLED if counts.get(phase) for task in await _sample(client, run_id, phase)]
    else:
        root = root if root.children is not None else await client.task(run_id, tree=True)
        counts = {Phase(phase): count for phase, count in (root.counts or counts).items()}
        tasks = list(descendants(root))
    asked = any(counts.get(phase) for phase in ASKING)
    approvals = await client.approvals(run=run_id) if asked else []
    return Look(root, tuple(tasks), counts, tuple(approvals), time.time())


async def _sample(client: Client, run_id: str, phase: Phase) -> tuple[TaskView, ...]:
    return (await client.tasks(run=run_id, phase=phase.value, limit=SAMPLE)).items


def descendants(task: TaskView) -> Iterator[TaskView]:
    """All below a task that came with its tree, parents first."""
    for child in task.children or ():
        yield child
        yield from descendants(child)


def seconds_of(task: TaskView) -> float | None:
    """How long a task took: its attempts; a group, from the first start below it to its end."""
    if not task.child_ids and task.usage.seconds is not None:
        return task.usage.seconds
    if task.started_at and task.finished_at:
        return (task.finished_at - task.started_at).total_seconds()
    return task.usage.seconds


def remaining(seen: Look) -> float | None:
    """Seconds until the end: the rate so far, but not less than the longest chain that is left, at the usual time a task."""
    elapsed = seen.elapsed()
    if seen.ended or not seen.moves or not seen.done or not elapsed:
        return None
    by_rate = elapsed * (seen.total - seen.done) / seen.done
    finished = [task for task in seen.tasks if task.phase in TERMINAL and task.kind != "group"]
    known = [seconds for task in finished if (seconds := seconds_of(task)) is not None]
    return max(by_rate, median(known) * longest_chain(seen.tasks)) if known else by_rate


def longest_chain(tasks: tuple[TaskView, ...]) -> int:
    """How many open tasks stand one after another at most, by dependencies."""
    waiting = {task.task_id: list(task.dependencies) for task in tasks if task.phase not in TERMINAL and task.kind != "group"}
    length: dict[str, int] = {}
    for name in TopologicalSorter(waiting).static_order():
        if name in waiting:
            length[name] = 1 + max((length.get(one, 0) for one in waiting[name]), default=0)
    return max(length.values(), default=0)
