"""What was written before is said again: whoever wrote it may have died before saying it, and its message came to somebody else."""

from collections.abc import Sequence

from services.sequencer.advance import approval_requested, plan_requested, tasks_ready
from services.sequencer.domain.task import Task
from services.sequencer.store import TaskStore
from shared.contracts.base import Event
from shared.contracts.phases import Phase
from shared.contracts.planner import PlanReason
from shared.ids import attempt_id

DISPATCHED = (Phase.READY, Phase.INTEGRATING)
PLANNING = (Phase.EXPANDING, Phase.REPLANNING)
ASKING = (Phase.AWAITING_APPROVAL, Phase.ESCALATED)


def still_wanted(tasks: Sequence[Task]) -> list[Event]:
    """What these tasks wait for, as it was said when they came to wait."""
    plans = [wanted_plan(task) for task in tasks if task.phase in PLANNING]
    questions = [
        approval_requested(task, task.approval_id, task.asking)
        for task in tasks
        if task.phase in ASKING and task.approval_id and task.asking
    ]
    ready = tasks_ready(attempt_id(task.task_id, task.epoch) for task in tasks if task.phase in DISPATCHED and not task.paused)
    return [*plans, *questions, *ready]


def wanted_plan(task: Task) -> Event:
    """The request for the plan that this task waits for."""
    return plan_requested(task, _reason(task), error=task.error if task.phase is Phase.REPLANNING else None)


async def freed_by(store: TaskStore, over: Sequence[Task]) -> list[Event]:
    """What the tasks wait for that went on because these were over: those that depend on them, and their parents."""
    narrow = [task.task_id for task in over if task.dependents]
    found = {task.task_id: task for task in await store.find({"dependencies": {"$in": narrow}, "open": True})} if narrow else {}
    near = dict.fromkeys([*(name for task in over for name in task.feeds), *(task.parent_id for task in over if task.parent_id)])
    found |= await store.get(near) if near else {}
    return still_wanted(list(found.values()))


async def grown_from(store: TaskStore, task: Task) -> list[Event]:
    """What the children of this task wait for."""
    return still_wanted(await store.find({"parent_id": task.task_id, "open": True}))


def _reason(task: Task) -> PlanReason:
    if task.phase is Phase.REPLANNING:
        return "replan"
    return "submitted" if task.parent_id is None else "expand"
