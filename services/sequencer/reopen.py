"""Carries out the orders that bring tasks back to life: `retry` what was not done, `rerun` a task and all that comes after it."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import structlog

from services.sequencer.advance import advance, parents_through, tasks_reopened, unblock
from services.sequencer.domain.again import marks_of, next_moves, of_rerun, of_retry
from services.sequencer.domain.task import Task
from services.sequencer.retell import still_wanted
from services.sequencer.store import PAGE, TaskStore
from shared.contracts.base import Event
from shared.contracts.phases import Phase
from shared.downstream import Downstream
from shared.ids import above, in_run, run_of

log = structlog.get_logger()

Choose = Callable[[Mapping[str, Mapping[str, Any]]], Downstream]


async def rerun(store: TaskStore, task_id: str, order: str) -> list[Event]:
    """The task is done again, with all that was done, or is to be done, after it; what else there is is kept."""
    return await _reopen(store, task_id, order, choose=partial(of_rerun, task_id=task_id), anew=task_id)


async def retry(store: TaskStore, task_id: str, order: str) -> list[Event]:
    """A task that is over without being done comes back with all that ended because of it, or went on without it."""
    return await _reopen(store, task_id, order, choose=partial(of_retry, task_id=task_id, order=order))


async def _reopen(store: TaskStore, task_id: str, order: str, *, choose: Choose, anew: str | None = None) -> list[Event]:
    reopened: list[str] = []
    while True:
        what = choose(await store.outlines(run_of(task_id)))
        tasks = {task.task_id: task for task in await store.find({"_id": {"$in": [*what.again, *what.around, *above(task_id)]}})}
        held = _is_held(tasks, task_id)
        rounds = next_moves(tasks, what, order, paused=held, anew=anew)
        if not rounds:
            break
        for moves in rounds:
            reopened += [move.task.task_id for move in await store.write(moves)]
    log.info("tasks.reopened", task_id=task_id, again=len(what.again), around=len(what.around))
    if _is_held(await store.get(above(task_id)), task_id) is not held:
        # Whoever paused or resumed what is around it meanwhile did not reach what was not open yet.
        await store.change({"_id": {"$in": [*what.again]}, "open": True}, {"paused": not held})
        tasks = {task.task_id: task for task in await store.find({"_id": {"$in": [*tasks]}})}
    if not reopened:
        # Whoever did it was interrupted, perhaps before saying so.
        return await _go_on(store, tasks)
    return [*tasks_reopened(reopened), *await _begin(store, tasks)]


async def brought_back(store: TaskStore, run_id: str, order: str) -> list[Event]:
    """What such an order brought back goes on, and is said again: whoever carried it out may have died over it before a later one came."""
    tasks = await store.find({**in_run(run_id), "reruns": {"$in": marks_of(order)}})
    return await _go_on(store, {task.task_id: task for task in tasks}) if tasks else []


async def _go_on(store: TaskStore, tasks: Mapping[str, Task]) -> list[Event]:
    says = await _begin(store, tasks)
    now = await store.get(tasks)
    return [*tasks_reopened(tasks), *says, *still_wanted([*now.values()])]


def _is_held(tasks: Mapping[str, Task], task_id: str) -> bool:
    """Whether what it belongs to is paused: the nearest task around it that is not over says so."""
    around = (tasks[name] for name in reversed(above(task_id)) if name in tasks)
    return next((task.paused for task in around if not task.closed), False)


async def _begin(store: TaskStore, tasks: Mapping[str, Task]) -> list[Event]:
    """Let go what waits for nothing. After an interruption that may be any of them."""
    says: list[Event] = []
    blocked = sorted((task for task in tasks.values() if task.phase is Phase.BLOCKED), key=lambda task: task.depth)
    for at in range(0, len(blocked), PAGE):
        says += await advance(store, await unblock(store, blocked[at : at + PAGE]))
    parents = [task.task_id for task in tasks.values() if task.phase is Phase.EXPANDED]
    return [*says, *await advance(store, await parents_through(store, parents))]
