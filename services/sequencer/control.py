"""What people order for a task reaches all below it: cancel, pause, resume, retry, rerun, and taking over."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import structlog

from services.sequencer.adopt import NOT_PLANNED, plant
from services.sequencer.advance import advance, cancel_below, look_again, parents_through, say, tasks_ready
from services.sequencer.domain.again import is_begun
from services.sequencer.domain.answer import taken_over, tried_again
from services.sequencer.domain.decide import UNSETTLED_SECONDS
from services.sequencer.domain.phases import How, Move
from services.sequencer.domain.task import Task
from services.sequencer.reopen import brought_back, rerun, retry
from services.sequencer.retell import freed_by, interrupted, still_going
from services.sequencer.store import TaskStore
from shared.contracts.approvals import TaskControl
from shared.contracts.base import Event
from shared.contracts.phases import Action, Phase, legal_actions
from shared.ids import above, attempt_id, subtree

log = structlog.get_logger()

DISPATCHED = (Phase.READY, Phase.INTEGRATING)


async def obey(store: TaskStore, order: TaskControl) -> list[Event]:
    """Carry out an order, if the task's phase still allows it; note it on the task either way, so that it is not sent again.

    One that comes again after it was noted changes nothing. One that was interrupted is carried out to its end. Of two orders the later one
    counts: what comes after it was carried out is refused, but for a cancel, which somebody was promised and which can be undone.
    """
    task = (await store.get([order.task_id])).get(order.task_id)
    if task is None and order.action is Action.CANCEL and order.task_id == order.run_id:
        task = await plant(store, {"run_id": order.run_id, "title": NOT_PLANNED})
    if task is None:
        log.warning("control.unknown_task", task_id=order.task_id, action=order.action)
        return []
    noted = await store.noted(order.task_id)
    overtaken = noted.is_overtaken(order.control_id) and order.action is not Action.CANCEL
    if task.obeyed == order.control_id or (overtaken and is_begun(task.reruns, order.control_id)):
        await store.note(order.task_id, order.control_id)
        return await _said_again(store, order)
    if noted.is_dealt_with(order.control_id):
        return await _said_again(store, order)
    if refused := "a later order was carried out before it" if overtaken else await _refused(store, task, order):
        log.warning("control.refused", task_id=order.task_id, action=order.action, phase=task.phase, why=refused)
        await store.note(order.task_id, order.control_id, refused=refused)
        return await _said_again(store, order) if overtaken else []
    log.info("control.obeyed", task_id=order.task_id, action=order.action, by=order.by)
    went_on = _begun(task, order)
    says = await ORDERS[order.action](store, task, order)
    await store.note(order.task_id, order.control_id)
    return [*says, *await _said_again(store, order)] if went_on else says


async def _said_again(store: TaskStore, order: TaskControl) -> list[Event]:
    """Of an order that somebody carried out, perhaps without saying so: of its task, and of all that it let go."""
    back = await brought_back(store, order.run_id, order.control_id) if order.action in (Action.RETRY, Action.RERUN) else []
    now = [*(await store.get([order.task_id])).values()]
    return [*back, *await still_going(store, now), *await freed_by(store, now)]


async def _refused(store: TaskStore, task: Task, order: TaskControl) -> str | None:
    """Why the order is not carried out; None: it is, or goes on where it was interrupted."""
    if task.brought_back > order.control_id and not is_begun(task.reruns, order.control_id):
        # Perhaps it was carried out before that, by one who died before noting it: it must not act a second time.
        return "an order that was given after it brought the task back"
    if _begun(task, order):
        return None
    if order.version not in (None, task.version):
        return f"it is about version {order.version} of the task, which has version {task.version} by now"
    if order.action not in legal_actions(task.phase, paused=task.paused):
        return f"the task is {task.phase} by now"
    return await _in_its_way(store, task, order)


async def _in_its_way(store: TaskStore, task: Task, order: TaskControl) -> str | None:
    """Why the order is not carried out though the task allows it: because of what is around it, or below it."""
    goes_on = not task.closed and order.action is not Action.CANCEL
    if goes_on and any(one.closed for one in (await store.get(above(task.task_id))).values()):
        # Whoever ended that has not come to this task yet, or died before that.
        return "what it is a part of is over, and it goes with that"
    if order.action is Action.COMPLETE and task.children and await store.open_children([task.task_id]):
        return "below the task others are not over yet"
    return None


def _begun(task: Task, order: TaskControl) -> bool:
    """Whether the first write of such an order is there already: done again it finishes what was interrupted, and harms nothing else."""
    if is_begun(task.reruns, order.control_id):
        return True
    if task.closed:
        return order.action is Action.CANCEL and task.phase is Phase.CANCELLED
    return order.action is (Action.PAUSE if task.paused else Action.RESUME)


async def _cancel(store: TaskStore, task: Task, order: TaskControl) -> list[Event]:
    """The task first, so that it does not integrate while those below it end."""
    error = {"code": "cancelled", "message": f"cancelled by {order.by}" + (f": {order.reason}" if order.reason else "")}
    not_since = [{"brought_back": {"$exists": False}}, {"brought_back": {"$lt": order.control_id}}]
    await store.cancel_open({"_id": task.task_id, "$or": not_since}, error, wait=UNSETTLED_SECONDS if task.dependents else None)
    below = await cancel_below(store, task, error)
    over = [one for one in (await store.get([task.task_id])).values() if one.closed]
    gone = [*(Move(task, How(Phase.CANCELLED)) for _ in over if not task.closed), *below]
    return [*say(gone), *await advance(store, [], closed=await interrupted(store, over))]


async def _pause(store: TaskStore, task: Task, _order: TaskControl) -> list[Event]:
    """The task first: who adopts a plan for it meanwhile looks at it again once the children are there."""
    for where in ({"_id": task.task_id}, {"_id": subtree(task.task_id)}):
        await store.change({**where, "open": True}, {"paused": True})
    return []


async def _resume(store: TaskStore, task: Task, _order: TaskControl) -> list[Event]:
    for where in ({"_id": task.task_id}, {"_id": subtree(task.task_id)}):
        await store.change({**where, "open": True}, {"paused": False})
    here = {"$or": [{"_id": task.task_id}, {"_id": subtree(task.task_id)}]}
    # Nobody was to claim them meanwhile: who does now must not think that they were forgotten for as long as the pause took.
    await store.change({**here, "phase": {"$in": list(DISPATCHED)}}, {"ready_at": store.clock.now()})
    expanded = {**here, "phase": Phase.EXPANDED}
    await store.change(expanded, {"due_at": store.clock.now()})
    says = await look_again(store, task)
    # All below some of them may have come to its end while they were paused.
    says += await advance(store, await parents_through(store, [one.task_id for one in await store.find(expanded)]))
    below = await store.find({"_id": subtree(task.task_id), "phase": {"$in": list(DISPATCHED)}})
    return [*says, *tasks_ready(attempt_id(one.task_id, one.epoch) for one in (task, *below) if one.phase in DISPATCHED)]


async def _complete(store: TaskStore, task: Task, order: TaskControl) -> list[Event]:
    own = (await store.own([task.task_id])).get(task.task_id)
    return await advance(store, [_moved(task, taken_over(task, order.result, by=order.by, own=own), order)])


def _moved(task: Task, how: How, order: TaskControl) -> Move:
    """The move that an order is. It says so itself: after it the order would be refused, had its sequencer died before noting it."""
    return Move(task, replace(how, fields=(*how.fields, ("obeyed", order.control_id))))


async def _retry(store: TaskStore, task: Task, order: TaskControl) -> list[Event]:
    """An escalated task is tried again. A task that is over comes back to life with all that ended because of it."""
    if task.phase is Phase.ESCALATED:
        return await advance(store, [_moved(task, tried_again(task), order)])
    return await retry(store, task.task_id, order.control_id)


async def _rerun(store: TaskStore, task: Task, order: TaskControl) -> list[Event]:
    return await rerun(store, task.task_id, order.control_id)


ORDERS: dict[Action, Callable[[TaskStore, Task, TaskControl], Awaitable[list[Event]]]] = {
    Action.CANCEL: _cancel,
    Action.PAUSE: _pause,
    Action.RESUME: _resume,
    Action.RETRY: _retry,
    Action.RERUN: _rerun,
    Action.COMPLETE: _complete,
}
