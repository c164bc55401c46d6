"""Write moves, and all that follows from them: dependents become free or hopeless, parents are integrated, everyone is told."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from services.sequencer.domain.decide import cancelled, dispatched, released
from services.sequencer.domain.phases import How, Move
from services.sequencer.domain.task import Task
from services.sequencer.store import PAGE, TaskStore
from shared.contracts.base import Event
from shared.contracts.phases import Phase
from shared.contracts.planner import PlanReason
from shared.contracts.sequencer import ApprovalRequested, PlanRequested, TaskCompleted, TaskFailed, TaskReady, TaskReopened
from shared.ids import attempt_id, run_of, subtree
from shared.messaging.publisher import by_run, share_of
from shared.storage.port import Where

FOR_GOOD = frozenset({Phase.COMPLETED, Phase.SKIPPED})
"""Phases that let a task's dependents go. Only an order to do it again leads out of them."""
ITS_PARENT_ENDED = {"code": "cancelled", "message": "its parent was cancelled"}


async def advance(store: TaskStore, moves: Sequence[Move], *, closed: Iterable[Task] = ()) -> list[Event]:
    """Write `moves`, then wave by wave what follows. `closed` were over before: what follows from them is done again, should it be missing.

    A task's end is written before its dependents are looked at, and forgotten (`settled`) after they are written: whoever dies in between
    leaves a `due_at` behind, and the sweep comes here again. The first write may be relaxed where a second, durable one is sure to follow.
    """
    says: list[Event] = []
    opened: list[str] = []
    back: list[str] = []
    wave, over = list(closed), list[Task]()
    again = {task.task_id for task in wave}
    passed = {task.task_id for task in wave if task.phase in FOR_GOOD}
    while moves or wave:
        relaxed = all(move.closes and move.task.dependents for move in moves)
        done = await store.write(moves, relaxed=relaxed) if moves else []
        says += say(done)
        back += [move.task.task_id for move in done if move.how.target is Phase.BLOCKED]
        opened += [move.task.task_id for move in done if move.opens]
        wave += [move.task for move in done if move.closes]
        says += say([move for one in done if one.abandons for move in await cancel_below(store, one.task, ITS_PARENT_ENDED)])
        passed |= {move.task.task_id for move in done if move.how.target in FOR_GOOD}
        moves = await consequences(store, wave, passed=passed) if wave else []
        over += wave
        wave = []  # what follows from these is known: a failure may run down a chain of thousands
        if any(move.closes for move in moves):
            continue
        settled = [task.task_id for task in over if task.dependents or task.task_id in again]
        if moves or settled:
            # What may go now is said before what is over: the work waits for the one, and only watchers for the other.
            done = await store.write(moves, settled=settled)
            opened += [move.task.task_id for move in done if move.opens]
            says = [*say(done), *says]
        break
    if back:
        says += await free(store, {"_id": {"$in": back}})
    return [*says, *await look_below(store, opened)] if opened else says


async def look_below(store: TaskStore, opened: Sequence[str]) -> list[Event]:
    """What may go below these, or they themselves, where nothing below them is left to be done."""
    says = await free(store, {"parent_id": {"$in": list(opened)}})
    return [*says, *await advance(store, await parents_through(store, opened))]


async def cancel_below(store: TaskStore, task: Task, error: dict[str, Any]) -> list[Move]:
    """Cancel what is not over below this task, which is over.

    An order may bring it back meanwhile, a parent before its children, and each under a new epoch: those are left alone.
    """
    seen: dict[str, Task] = {}
    while below := await store.find({"_id": subtree(task.task_id), "open": True}):  # more may grow meanwhile
        top = (await store.get([task.task_id])).get(task.task_id)
        if top is None or not top.closed:
            break
        epochs: dict[int, list[str]] = defaultdict(list)
        for one in below:
            epochs[one.epoch].append(one.task_id)
            seen[one.task_id] = one
        for epoch, ids in epochs.items():
            await store.cancel_open({"_id": {"$in": ids}, "epoch": epoch}, error)
    now = await store.get(seen) if seen else {}
    return [Move(seen[name], How(Phase.CANCELLED)) for name, one in now.items() if one.phase is Phase.CANCELLED]


async def consequences(store: TaskStore, over: Sequence[Task], *, passed: Collection[str]) -> list[Move]:
    """What may or can no longer run, now that these are over."""
    blocked = await _dependents(store, over)
    # A parent with a blocked child is not through; whoever closes that child looks at the parent after it has written.
    waiting = {task.parent_id for task in blocked}
    freed, parents = await asyncio.gather(
        unblock(store, blocked, passed=passed), parents_through(store, {task.parent_id for task in over if task.parent_id} - waiting)
    )
    return [*freed, *parents]


async def unblock(store: TaskStore, blocked: Sequence[Task], *, passed: Collection[str] = ()) -> list[Move]:
    """The blocked tasks of these whose own dependencies are done, or can no longer be. `passed` were done a moment ago.

    For one that came back to life that is not enough: what it waits for may have come back with it since.
    """
    narrow = [task for task in blocked if not task.wide]
    wide = [task for task in blocked if task.wide]
    asked = {name for task in narrow for name in task.dependencies if task.epoch or name not in passed}
    in_the_way, obstacles, closed_off = await asyncio.gather(
        store.not_passing(asked), asyncio.gather(*(store.wide_obstacle(task.task_id) for task in wide)), _behind_blocked(store, blocked)
    )
    verdicts = [(task, _obstacle(task, in_the_way)) for task in narrow] + list(zip(wide, obstacles, strict=True))
    return [move for task, obstacle in verdicts if (move := _unblocked(task, obstacle, may_go=task.parent_id not in closed_off))]


async def _behind_blocked(store: TaskStore, blocked: Sequence[Task]) -> set[str]:
    """The parents of these that themselves wait: to be done again they, and then those below them, wait for others. A root never does."""
    parents = {task.parent_id for task in blocked if task.parent_id and task.depth > 1}
    return {task.task_id for task in (await store.get(parents)).values() if task.phase is not Phase.EXPANDED} if parents else set()


async def look_again(store: TaskStore, task: Task) -> list[Event]:
    """Free what can run of the task and all below it."""
    says = await free(store, {"_id": task.task_id})
    return [*says, *await free(store, {"_id": subtree(task.task_id)})]


async def free(store: TaskStore, where: Where) -> list[Event]:
    """What can run of the blocked tasks among these."""
    says: list[Event] = []
    blocked = await store.find({**where, "phase": Phase.BLOCKED})
    for at in range(0, len(blocked), PAGE):
        says += await advance(store, await unblock(store, blocked[at : at + PAGE]))
    return says


def say(moves: Iterable[Move]) -> list[Event]:
    """What others are told of moves that took effect."""
    ready: list[str] = []
    over: dict[Phase, list[str]] = defaultdict(list)
    says: list[Event] = []
    for move in moves:
        task, how = move.task, move.how
        if how.dispatch:
            ready.append(attempt_id(task.task_id, move.epoch))
        elif how.target in (Phase.AWAITING_APPROVAL, Phase.ESCALATED):
            says.append(approval_requested(task, how.field("approval_id"), how.field("asking")))
        elif how.target in (Phase.EXPANDING, Phase.REPLANNING):
            says.append(plan_requested(task, how.field("plan_reason") or "expand", error=how.field("error")))
        elif move.closes:
            over[how.target].append(task.task_id)
    return [*says, *tasks_ready(ready), *tasks_over(over)]


def tasks_reopened(task_ids: Iterable[str]) -> list[TaskReopened]:
    """That these are to be done, or joined, again."""
    return by_run(dict.fromkeys(task_ids), lambda run, ids: TaskReopened(run_id=run, tasks=ids))


def tasks_ready(attempts: Iterable[str]) -> list[TaskReady]:
    """Hints that these attempts may be made, in parts that executors can share."""
    ready = list(attempts)
    return by_run(ready, lambda run, ids: TaskReady(run_id=run, attempts=ids), most=share_of(len(ready)))


def plan_requested(task: Task, reason: PlanReason, *, error: dict[str, str] | None) -> PlanRequested:
    """The request for the next version of a task's plan."""
    failures = (error["message"],) if error else ()
    return PlanRequested(run_id=run_of(task.task_id), task_id=task.task_id, version=task.plan_version + 1, reason=reason, failures=failures)


def approval_requested(task: Task, approval_id: str, asking: dict[str, object]) -> ApprovalRequested:
    """The question, whole: asked again it is the same."""
    return ApprovalRequested.model_validate(
        {"run_id": run_of(task.task_id), "task_id": task.task_id, "approval_id": approval_id, "title": task.title, **asking}
    )


def tasks_over(over: Mapping[Phase, Sequence[str]]) -> list[Event]:
    """These are over, by phase."""
    says: list[Event] = []
    for phase, ids in over.items():
        kind = TaskCompleted if phase in (Phase.COMPLETED, Phase.SKIPPED) else TaskFailed
        says += by_run(ids, partial(_over_in_run, kind=kind, phase=phase))
    return says


def _over_in_run(run_id: str, tasks: tuple[str, ...], *, kind: type[TaskCompleted | TaskFailed], phase: Phase) -> Event:
    return kind(run_id=run_id, tasks=tasks, phase=phase)


async def _dependents(store: TaskStore, over: Sequence[Task]) -> list[Task]:
    """The blocked tasks that wait for any of these."""
    blocked: dict[str, Task] = {}
    if narrow := [task.task_id for task in over if task.dependents]:
        blocked |= {task.task_id: task for task in await store.find({"dependencies": {"$in": narrow}, "phase": Phase.BLOCKED})}
    if wide := {dependent for task in over for dependent in task.feeds}:
        blocked |= {task.task_id: task for task in (await store.get(wide)).values() if task.phase is Phase.BLOCKED}
    return list(blocked.values())


async def parents_through(store: TaskStore, parents: Collection[str]) -> list[Move]:
    """Those of these parents that have nothing open below them are integrated."""
    waiting = await store.open_children(list(parents)) if parents else set()
    tasks = await store.get([parent for parent in parents if parent not in waiting]) if len(waiting) < len(parents) else {}
    through = [task for task in tasks.values() if task.phase is Phase.EXPANDED and not task.paused]
    # Asked again after the parent was read: what was reopened below it by then is seen now, what is reopened later raises its epoch.
    reopened = await store.open_children([task.task_id for task in through]) if through else set()
    return [Move(task, dispatched(task)) for task in through if task.task_id not in reopened]


def _obstacle(task: Task, in_the_way: dict[str, bool]) -> bool | None:
    found = [in_the_way[name] for name in task.dependencies if name in in_the_way]
    return None if not found else all(found)


def _unblocked(task: Task, obstacle: bool | None, *, may_go: bool) -> Move | None:
    """`obstacle`: None nothing is in the way, True something that may still be done, False something that never will."""
    if obstacle is False:
        return Move(task, cancelled(task, "dependency_failed", "a task that it waits for was not done"))
    if obstacle is True or task.paused or not may_go:
        return None
    return Move(task, released(task))
