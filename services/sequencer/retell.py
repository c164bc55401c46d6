"""What was written before is said again: whoever wrote it may have died before saying it, and its message came to somebody else."""

from collections import defaultdict
from collections.abc import Sequence

from services.sequencer.advance import (
    ITS_PARENT_ENDED,
    advance,
    approval_requested,
    cancel_below,
    free,
    look_below,
    parents_through,
    plan_requested,
    tasks_over,
    tasks_ready,
)
from services.sequencer.domain.task import Task
from services.sequencer.store import TaskStore
from shared.contracts.base import Event
from shared.contracts.phases import Phase
from shared.contracts.planner import PlanReason
from shared.ids import attempt_id, subtree

DISPATCHED = (Phase.READY, Phase.INTEGRATING)
PLANNING = (Phase.EXPANDING, Phase.REPLANNING)
ASKING = (Phase.AWAITING_APPROVAL, Phase.ESCALATED)


def still_wanted(tasks: Sequence[Task]) -> list[Event]:
    """What these tasks wait for, or that they are over, as it was said when they came to be so."""
    plans = [wanted_plan(task) for task in tasks if task.phase in PLANNING]
    questions = [
        approval_requested(task, task.approval_id, task.asking)
        for task in tasks
        if task.phase in ASKING and task.approval_id and task.asking
    ]
    over: dict[Phase, list[str]] = defaultdict(list)
    for task in tasks:
        if task.closed:
            over[task.phase].append(task.task_id)
    ready = tasks_ready(attempt_id(task.task_id, task.epoch) for task in tasks if task.phase in DISPATCHED and not task.paused)
    return [*plans, *questions, *ready, *tasks_over(over)]


async def still_going(store: TaskStore, tasks: Sequence[Task]) -> list[Event]:
    """The same, and what may go since: they, or those below them. Whoever brought them where they are may have died before looking."""
    blocked = [task.task_id for task in tasks if task.phase is Phase.BLOCKED]
    says = [*still_wanted(tasks), *(await free(store, {"_id": {"$in": blocked}}) if blocked else ())]
    return [*says, *await let_go(store, tasks)]


def wanted_plan(task: Task) -> Event:
    """The request for the plan that this task waits for."""
    return plan_requested(task, _reason(task), error=task.error if task.phase is Phase.REPLANNING else None)


async def interrupted(store: TaskStore, over: Sequence[Task]) -> list[Task]:
    """These, and those after them whose end was written while nobody knows whether all that follows from it was: they still wait."""
    found = {task.task_id: task for task in over}
    wave = list(over)
    while narrow := [task.task_id for task in wave if task.dependents]:
        after = await store.find({"dependencies": {"$in": narrow}, "open": False, "due_at": {"$exists": True}})
        wave = [task for task in after if task.task_id not in found]
        found |= {task.task_id: task for task in wave}
    return list(found.values())


async def freed_by(store: TaskStore, over: Sequence[Task]) -> list[Event]:
    """What is to be done, or said, of the tasks that went on, or came to their end, because of these: their dependents and parents."""
    found: dict[str, Task] = {}
    freed: set[str] = set()
    wave = list(over)
    while wave:
        narrow = [task.task_id for task in wave if task.dependents]
        near = dict.fromkeys(name for task in wave for name in (*task.feeds, *([task.parent_id] if task.parent_id else [])))
        after = {task.task_id: task for task in await store.find({"dependencies": {"$in": narrow}})} if narrow else {}
        freed |= {*after, *(name for task in wave for name in task.feeds)}
        after |= await store.get(near) if near else {}
        fresh = [task for name, task in after.items() if name not in found]
        found |= after
        # Only what ended without a verdict of its own: the others' ends are said by whoever hears of their verdicts.
        wave = [task for task in fresh if (task.error or {}).get("code") == "dependency_failed"]
    parents = [name for name, task in found.items() if name not in freed and task.phase is Phase.EXPANDED and not task.paused]
    says = [*still_wanted(list(found.values())), *await advance(store, await parents_through(store, parents))]
    for task in (*over, *found.values()):
        if task.closed and not task.passes and task.is_group:
            # What waits below one that ended before it began goes with it; whoever ended it may not have come so far.
            await cancel_below(store, task, ITS_PARENT_ENDED)
            says += still_wanted(await store.find({"_id": subtree(task.task_id), "phase": Phase.CANCELLED}))
    return [*says, *await let_go(store, [task for name, task in found.items() if name in freed])]


async def let_go(store: TaskStore, tasks: Sequence[Task]) -> list[Event]:
    """What may go below those of these that are expanded, and what went already: whoever opened them may have died before saying so."""
    says: list[Event] = []
    opened = [task for task in tasks if task.phase is Phase.EXPANDED]
    while opened:
        ids = [task.task_id for task in opened]
        below = await store.find({"parent_id": {"$in": ids}, "open": True})
        says += [*still_wanted(below), *await look_below(store, ids)]
        opened = [task for task in below if task.phase is Phase.EXPANDED]
    return says


def _reason(task: Task) -> PlanReason:
    if task.phase is Phase.REPLANNING:
        return "replan"
    return "submitted" if task.parent_id is None else "expand"
