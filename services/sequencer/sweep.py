"""What is overdue: say hints again, begin retries, look after parents, finish what was interrupted."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence

from services.sequencer.advance import advance, approval_requested, tasks_ready, unblock
from services.sequencer.deps import Deps
from services.sequencer.domain.decide import ASK_SECONDS, PARENT_SECONDS, PLAN_SECONDS, cancelled, dispatched
from services.sequencer.domain.grow import plan_version_of
from services.sequencer.domain.phases import Move
from services.sequencer.domain.task import Task
from services.sequencer.retell import PLANNING, wanted_plan
from services.sequencer.store import PAGE, TaskStore
from shared.contracts.base import Event
from shared.contracts.phases import TERMINAL, Phase
from shared.contracts.sequencer import HINT_SECONDS
from shared.ids import attempt_id, plan_id
from shared.messaging.publisher import Says

LONGEST = 60.0
MOST_PAGES = 20


async def sweep(deps: Deps) -> Says:
    """One look at everything whose `due_at` has passed, page by page."""
    says: list[Event] = []
    for _ in range(MOST_PAGES):
        due = await deps.tasks.due()
        by_phase: dict[Phase, list[Task]] = defaultdict(list)
        orphans, others = await _under_living_parents(deps.tasks, due)
        says += await advance(deps.tasks, [Move(task, cancelled(task, "cancelled", "its parent is over")) for task in orphans])
        for task in others:
            by_phase[task.phase].append(task)
        for phase in PLANNING:
            if unheard := await _unheard(deps.tasks, by_phase.pop(phase, [])):
                by_phase[phase] = unheard
        for phase, tasks in by_phase.items():
            if phase not in PLANNED_WAITS:
                deps.common.rescued.labels(what=phase.value).inc(len(tasks))
            says += await LOOKS[phase](deps.tasks, tasks)
        if len(due) < PAGE:
            break
    return says


async def _under_living_parents(store: TaskStore, due: Sequence[Task]) -> tuple[list[Task], list[Task]]:
    """Open tasks whose parent is over, which go with it; and the others, without those whose plan is not adopted (yet).

    As long as not all tasks of a plan are there, what is there cannot tell what it waits for, nor who waits for it. What grew of a plan
    that is not wanted any more is taken away.
    """
    parents = await store.get({task.parent_id for task in due if task.parent_id and not task.closed})
    above = [(task, parents[task.parent_id]) for task in due if not task.closed and task.parent_id in parents]
    stray = [task for task, parent in above if plan_version_of(task.task_id) in parent.dropped]
    orphans = [task for task, parent in above if parent.closed and task not in stray]
    early = [task for task, parent in above if not parent.closed and plan_version_of(task.task_id) > parent.plan_version]
    if stray:
        await store.remove([task.task_id for task in stray])
    if early:
        await store.hint_later(early, base=HINT_SECONDS, cap=LONGEST)
    aside = {task.task_id for task in (*stray, *orphans, *early)}
    return orphans, [task for task in due if task.task_id not in aside]


async def _hint(store: TaskStore, tasks: Sequence[Task]) -> list[Event]:
    """Say it again, less and less often."""
    await store.hint_later(tasks, base=HINT_SECONDS, cap=LONGEST)
    return list(tasks_ready(attempt_id(task.task_id, task.epoch) for task in tasks if not task.paused))


async def _retry(store: TaskStore, tasks: Sequence[Task]) -> list[Event]:
    held = [task for task in tasks if task.paused]
    await store.hint_later(held, base=HINT_SECONDS, cap=LONGEST)
    return await advance(store, [Move(task, dispatched(task)) for task in tasks if not task.paused])


async def _unheard(store: TaskStore, tasks: Sequence[Task]) -> list[Task]:
    """Without those whose plan is being made, which may take a model many minutes: they are looked at again later."""
    making = await store.in_the_making([_wanted_plan(task) for task in tasks]) if tasks else set()
    if busy := [task for task in tasks if _wanted_plan(task) in making]:
        await store.hint_later(busy, base=PLAN_SECONDS, cap=LONGEST)
    return [task for task in tasks if _wanted_plan(task) not in making]


async def _plan(store: TaskStore, tasks: Sequence[Task]) -> list[Event]:
    await store.hint_later(tasks, base=PLAN_SECONDS, cap=LONGEST)
    return [wanted_plan(task) for task in tasks]


async def _parent(store: TaskStore, tasks: Sequence[Task]) -> list[Event]:
    """A parent whose children are all over is integrated; one that was not told in time finds out here."""
    await store.hint_later(tasks, base=PARENT_SECONDS, cap=LONGEST)
    free = [task for task in tasks if not task.paused]
    waiting = await store.open_children([task.task_id for task in free])
    return await advance(store, [Move(task, dispatched(task)) for task in free if task.task_id not in waiting])


async def _blocked(store: TaskStore, tasks: Sequence[Task]) -> list[Event]:
    await store.hint_later(tasks, base=PARENT_SECONDS, cap=LONGEST)
    return await advance(store, await unblock(store, tasks))


async def _ask(store: TaskStore, tasks: Sequence[Task]) -> list[Event]:
    await store.hint_later(tasks, base=ASK_SECONDS, cap=10 * LONGEST)
    return [approval_requested(task, task.approval_id, task.asking) for task in tasks if task.approval_id and task.asking]


async def _over(store: TaskStore, tasks: Sequence[Task]) -> list[Event]:
    return await advance(store, [], closed=tasks)


def _wanted_plan(task: Task) -> str:
    """The plan that a task in one of the PLANNING phases waits for."""
    return plan_id(task.task_id, task.plan_version + 1)


PLANNED_WAITS = frozenset(
    {Phase.RETRYING, Phase.AWAITING_APPROVAL, Phase.ESCALATED, Phase.EXPANDED, Phase.BLOCKED, Phase.READY, Phase.INTEGRATING}
)
"""Waits that are over because their time has come, not because a message was lost.

A task that is worked on is stored as ready: whether the hint at it was lost is known to the executor that claims it, which counts it.
"""

LOOKS: dict[Phase, Callable[[TaskStore, Sequence[Task]], Awaitable[list[Event]]]] = {
    Phase.READY: _hint,
    Phase.INTEGRATING: _hint,
    Phase.RETRYING: _retry,
    Phase.EXPANDING: _plan,
    Phase.REPLANNING: _plan,
    Phase.EXPANDED: _parent,
    Phase.BLOCKED: _blocked,
    Phase.AWAITING_APPROVAL: _ask,
    Phase.ESCALATED: _ask,
    **dict.fromkeys(TERMINAL, _over),
}
