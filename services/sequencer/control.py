"""What people order for a task reaches all below it: cancel, pause, resume, retry, and taking over."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import structlog

from services.sequencer.advance import advance, say, tasks_ready, unblock
from services.sequencer.domain.answer import taken_over
from services.sequencer.domain.decide import PARENT_SECONDS, dispatched, expanding
from services.sequencer.domain.phases import How, Move
from services.sequencer.domain.task import Task
from services.sequencer.store import PAGE, TaskStore
from shared.contracts.approvals import TaskControl
from shared.contracts.base import Event
from shared.contracts.phases import Action, Phase, legal_actions
from shared.ids import attempt_id, subtree

log = structlog.get_logger()

REVIVABLE = (Phase.FAILED, Phase.CANCELLED)
DISPATCHED = (Phase.READY, Phase.INTEGRATING)


async def obey(store: TaskStore, order: TaskControl) -> list[Event]:
    """Carry out an order, if the task's phase still allows it; note it on the task either way, so that it is not sent again."""
    task = (await store.get([order.task_id])).get(order.task_id)
    if task is None:
        log.warning("control.unknown_task", task_id=order.task_id, action=order.action)
        return []
    if order.action not in legal_actions(task.phase, paused=task.paused):
        log.warning("control.too_late", task_id=order.task_id, action=order.action, phase=task.phase)
        says: list[Event] = []
    else:
        log.info("control.obeyed", task_id=order.task_id, action=order.action, by=order.by)
        says = await ORDERS[order.action](store, task, order)
    await store.change({"_id": order.task_id}, {"last_control": order.control_id})
    return says


async def _cancel(store: TaskStore, task: Task, order: TaskControl) -> list[Event]:
    """The task first, so that it does not integrate while those below it end."""
    error = {"code": "cancelled", "message": f"cancelled by {order.by}" + (f": {order.reason}" if order.reason else "")}
    move = Move(task, How(Phase.CANCELLED, wait=10.0 if task.dependents else None, fields=(("error", error),)))
    below = await store.find({"_id": subtree(task.task_id), "open": True})
    await store.cancel_open({"_id": task.task_id}, error)
    await store.cancel_open({"_id": subtree(task.task_id)}, error)
    gone = [move, *(Move(child, How(Phase.CANCELLED)) for child in below)]
    return [*say(gone), *await advance(store, [], closed=list((await store.get([task.task_id])).values()))]


async def _pause(store: TaskStore, task: Task, _order: TaskControl) -> list[Event]:
    for where in ({"_id": subtree(task.task_id)}, {"_id": task.task_id}):
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
        how = expanding(task) if task.kind == "group" and not task.children else dispatched(task)
        return await advance(store, [Move(task, replace(how, fields=(*how.fields, ("attempts", 1), ("approval_id", None))))])
    ended = await store.find({"_id": subtree(task.task_id), "phase": {"$in": list(REVIVABLE)}})
    above = [one for one in (await store.get(_ancestors(task.task_id))).values() if one.phase in REVIVABLE]
    hopeless = await _hopeless(store, [task, *above])
    await store.write([_revived(one) for one in (*above, task, *ended, *hopeless)])
    return await look_again(store, above[0] if above else task)


async def look_again(store: TaskStore, task: Task) -> list[Event]:
    """Free what can run of the task and all below it."""
    says: list[Event] = []
    for where in ({"_id": task.task_id}, {"_id": subtree(task.task_id)}):
        blocked = await store.find({**where, "phase": Phase.BLOCKED})
        for at in range(0, len(blocked), PAGE):
            says += await advance(store, await unblock(store, blocked[at : at + PAGE]))
    return says


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
    fields = (("error", None), ("attempts", 0), ("approved", False), ("approval_id", None))
    if task.children:
        return Move(task, How(Phase.EXPANDED, renew=True, wait=PARENT_SECONDS, fields=fields))
    return Move(task, How(Phase.BLOCKED, renew=True, wait=PARENT_SECONDS, fields=fields))


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
