"""What the sequencer does when it hears something: read state, decide, write, say."""

from collections.abc import Sequence

from services.sequencer.adopt import adopt, refuse
from services.sequencer.advance import advance
from services.sequencer.control import obey
from services.sequencer.deps import Deps
from services.sequencer.domain.answer import after_answer
from services.sequencer.domain.decide import after_verdict
from services.sequencer.domain.phases import Move
from services.sequencer.domain.task import Task
from services.sequencer.retell import freed_by, interrupted, still_going
from shared.contracts.approvals import ApprovalDecided, RunImported, TaskControl
from shared.contracts.checker import TaskVerified
from shared.contracts.planner import PlanFailed, PlanProposed
from shared.imports import take_slice
from shared.messaging.consumer import Hears
from shared.messaging.publisher import NOTHING, Says


async def on_plans_proposed(events: Sequence[PlanProposed], deps: Deps) -> Says:
    """When plans are proposed, their tasks come to be, and those that wait for nothing may start."""
    return [said for event in events for said in await adopt(deps.tasks, event, tell=deps.tell)]


async def on_plans_failed(events: Sequence[PlanFailed], deps: Deps) -> Says:
    """When there is no plan, the run fails, or a person is asked."""
    return [said for event in events for said in await refuse(deps.tasks, event)]


async def on_tasks_verified(events: Sequence[TaskVerified], deps: Deps) -> Says:
    """When verdicts are in, tasks are completed and their dependents freed, tried again, or climb the ladder."""
    judged = await deps.tasks.with_verdicts([verdict for event in events for verdict in event.verdicts])
    return await _go_on(deps, [(task, after_verdict(task, verdict, deps.patience)) for task, verdict in judged])


async def on_approvals_decided(events: Sequence[ApprovalDecided], deps: Deps) -> Says:
    """When people have answered, the tasks that waited for them go on as they said."""
    answered = await deps.tasks.with_answers([event.approval_id for event in events])
    return await _go_on(deps, [(task, after_answer(task, answer)) for task, answer in answered])


async def on_task_controls(events: Sequence[TaskControl], deps: Deps) -> Says:
    """When people give orders, they are carried out in turn, for the task and all below it."""
    return [said for event in events for said in await obey(deps.tasks, event)]


async def on_runs_imported(events: Sequence[RunImported], deps: Deps) -> Says:
    """When a run comes back, its tasks and sequences are taken in."""
    for event in events:
        await take_slice(deps.database, event, ("sequences", "tasks"))
    return NOTHING


async def _go_on(deps: Deps, decided: Sequence[tuple[Task, Move | None]]) -> Says:
    """Write what was decided. Where nothing is left to decide, it was heard before, perhaps by one who died before saying what follows."""
    known = [task for task, move in decided if move is None]
    closed = await interrupted(deps.tasks, [task for task in known if task.closed])
    says = await advance(deps.tasks, [move for _, move in decided if move], closed=closed)
    return [*says, *await still_going(deps.tasks, known), *(await freed_by(deps.tasks, closed) if closed else ())]


HEARS: Hears = {
    PlanProposed: on_plans_proposed,
    PlanFailed: on_plans_failed,
    TaskVerified: on_tasks_verified,
    ApprovalDecided: on_approvals_decided,
    TaskControl: on_task_controls,
    RunImported: on_runs_imported,
}
