"""What people order for a task reaches all below it: cancel, pause, resume, retry, and taking over."""

from collections.abc import Awaitable, Callable, Sequence

import structlog

from services.sequencer.advance import advance, look_again, say, tasks_ready
from services.sequencer.domain.answer import taken_over, tried_again
from services.sequencer.domain.decide import PARENT_SECONDS, UNSETTLED_SECONDS
from services.sequencer.domain.phases import How, Move
from services.sequencer.domain.task import Task
from services.sequencer.store import TaskStore
from shared.contracts.approvals import TaskControl
from shared.contracts.base import Event
from shared.contracts.phases import Action, Phase, legal_actions
from shared.ids import attempt_id, subtree

log = structlog.get_logger()

REVIVABLE = (Phase.FAILED, Phase.CANCELLED)
DISPATCHED = (Phase.READY, Phase.INTEGRATING)


async def obey(store: TaskStore, order: TaskControl) -> list[Event]:
    """Carry out an order, if the task's phase still allows it; note it on the task either way, so that it is not sent again.

    One that comes again after it was noted, or after a later one, changes nothing. One that was interrupted is carried out to its end.
    """
    task = (await store.get([order.task_id])).get(order.task_id)
    if task is None:
        log.warning("control.unknown_task", task_id=order.task_id, action=order.action)
        return []
    if await store.has_obeyed(order.task_id, order.control_id):
        return []
    if order.action not in legal_actions(task.phase, paused=task.paused) and not _begun(task, order.action):
        log.warning("control.too_late", task_id=order.task_id, action=order.action, phase=task.phase)
        says: list[Event] = []
    else:
        log.info("control.obeyed", task_id=order.task_id, action=order.action, by=order.by)
        says = await ORDERS[order.action](store, task, order)
    await store.change({"_id": order.task_id}, {"last_control": order.control_id})
    return says


def _begun(task: Task, action: Action) -> bool:
    """Whether the first write of such an order is there already: done again it finishes what was interrupted, and harms nothing else."""
    if task.closed:
        return action is Action.CANCEL and task.phase is Phase.CANCELLED
    return action is (Action.PAUSE if task.paused else Action.RESUME)


async def _cancel(store: TaskStore, task: Task, order: TaskControl) -> list[Event]:
    """The task first, so that it does not integrate while those below it end."""
    error = {"code": "cancelled", "message": f"cancelled by {order.by}" + (f": {order.reason}" if order.reason else "")}
    below = await store.find({"_id": subtree(task.task_id), "open": True})
    await store.cancel_open({"_id": task.task_id}, error, wait=UNSETTLED_SECONDS if task.dependents else None)
    await store.cancel_open({"_id": subtree(task.task_id)}, error)
    gone = [Move(one, How(Phase.CANCELLED)) for one in (task, *below) if not one.closed]
    now = await store.get([task.task_id])
    return [*say(gone), *await advance(store, [], closed=[one for one in now.values() if one.closed])]


async def _pause(store: TaskStore, task: Task, _order: TaskControl) -> list[Event]:
    """The task first: who adopts a plan for it meanwhile looks at it again once the children are there."""
    for where in ({"_id": task.task_id}, {"_id": subtree(task.task_id)}):
        await store.change({**where, "open": True}, {"paused": True})
    return []


async def _resume(store: TaskStore, task: Task, _order: TaskControl) -> list[Event]:
    for where in ({"_id": task.task_id}, {"_id": subtree(task.task_id)}):
        await store.change({**where, "open": True}, {"paused": False})
    await store.change({"_id": {"$gte": task.task_id, "$lt": f"{task.task_id}/"}, "phase": Phase.EXPANDED}, {"due_at": store.clock.now()})
    says = await look_again(store, task)
    below = await store.find({"_id": subtree(task.task_id), "phase": {"$in": list(DISPATCHED)}})
    return [*says, *tasks_ready(attempt_id(one.task_id, one.epoch) for one in (task, *below) if one.phase in DISPATCHED)]


async def _complete(store: TaskStore, task: Task, order: TaskControl) -> list[Event]:
    return await advance(store, [Move(task, taken_over(task, order.result, by=order.by))])


async def _retry(store: TaskStore, task: Task, _order: TaskControl) -> list[Event]:
    """An escalated task is tried again. A task that is over comes back to life with all that ended because of it."""
    if task.phase is Phase.ESCALATED:
        return await advance(store, [Move(task, tried_again(task))])
    ended = await store.find({"_id": subtree(task.task_id), "phase": {"$in": list(REVIVABLE)}})
    above = [one for one in (await store.get(_ancestors(task.task_id))).values() if one.phase in REVIVABLE]
    hopeless = await _hopeless(store, [task, *above])
    # The task itself last: as long as it is not revived, an order that was interrupted can be carried out again.
    await store.write([_revived(one) for one in (*hopeless, *ended, *above)])
    await store.write([_revived(task)])
    return await look_again(store, above[0] if above else task)


async def _hopeless(store: TaskStore, tasks: Sequence[Task]) -> list[Task]:
    """All that was cancelled because one of these was not done, however far away."""
    found: dict[str, Task] = {}
    wave = list(tasks)
    while wave:
        ids = [task.task_id for task in wave]
        feeds = {dependent for task in wave for dependent in task.feeds}
        waited = await store.find({"dependencies": {"$in": ids}, "phase": Phase.CANCELLED})
        waited += [task for task in (await store.get(feeds)).values() if task.phase is Phase.CANCELLED]
        wave = [task for task in waited if task.task_id not in found and (task.error or {}).get("code") == "dependency_failed"]
        found |= {task.task_id: task for task in wave}
    return list(found.values())


def _revived(task: Task) -> Move:
    fields = {"error": None, "attempts": 0, "nudges": 0, "approved": False, "approval_id": None, "asking": None, "finished_at": None}
    target = Phase.EXPANDED if task.children else Phase.BLOCKED
    return Move(task, How(target, renew=True, wait=PARENT_SECONDS, fields=tuple(fields.items())))


def _ancestors(task_id: str) -> list[str]:
    parts = task_id.split(".")
    joined = [".".join(parts[:count]) for count in range(1, len(parts))]
    return sorted(joined, key=len)


ORDERS: dict[Action, Callable[[TaskStore, Task, TaskControl], Awaitable[list[Event]]]] = {
    Action.CANCEL: _cancel,
    Action.PAUSE: _pause,
    Action.RESUME: _resume,
    Action.RETRY: _retry,
    Action.COMPLETE: _complete,
}
