"""What the sequencer does when it hears something: read state, decide, write, say."""

from collections.abc import Sequence

from services.sequencer.adopt import adopt, refuse
from services.sequencer.advance import advance
from services.sequencer.control import obey
from services.sequencer.deps import Deps
from services.sequencer.domain.answer import after_answer
from services.sequencer.domain.decide import after_verdict
from shared.contracts.approvals import ApprovalDecided, RunImported, TaskControl
from shared.contracts.checker import TaskVerified
from shared.contracts.planner import PlanFailed, PlanProposed
from shared.imports import take_slice
from shared.messaging.consumer import Hears
from shared.messaging.publisher import NOTHING, Says


async def on_plans_proposed(events: Sequence[PlanProposed], deps: Deps) -> Says:
    """When plans are proposed, their tasks come to be, and those that wait for nothing may start."""
    return [said for event in events for said in await adopt(deps.tasks, event)]


async def on_plans_failed(events: Sequence[PlanFailed], deps: Deps) -> Says:
    """When there is no plan, the run fails, or a person is asked."""
    return [said for event in events for said in await refuse(deps.tasks, event)]


async def on_tasks_verified(events: Sequence[TaskVerified], deps: Deps) -> Says:
    """When verdicts are in, tasks are completed and their dependents freed, tried again, or climb the ladder."""
    judged = await deps.tasks.with_verdicts([verdict for event in events for verdict in event.verdicts])
    moves = [move for task, verdict in judged if (move := after_verdict(task, verdict, deps.patience))]
    return await advance(deps.tasks, moves, closed=[task for task, _ in judged if task.closed])


async def on_approvals_decided(events: Sequence[ApprovalDecided], deps: Deps) -> Says:
    """When people have answered, the tasks that waited for them go on as they said."""
    answered = await deps.tasks.with_answers([event.approval_id for event in events])
    return await advance(deps.tasks, [move for task, answer in answered if (move := after_answer(task, answer))])


async def on_task_controls(events: Sequence[TaskControl], deps: Deps) -> Says:
    """When people give orders, they are carried out in turn, for the task and all below it."""
    return [said for event in events for said in await obey(deps.tasks, event)]


async def on_runs_imported(events: Sequence[RunImported], deps: Deps) -> Says:
    """When a run comes back, its tasks and sequences are taken in."""
    for event in events:
        await take_slice(deps.database, event, ("sequences", "tasks"))
    return NOTHING


HEARS: Hears = {
    PlanProposed: on_plans_proposed,
    PlanFailed: on_plans_failed,
    TaskVerified: on_tasks_verified,
    ApprovalDecided: on_approvals_decided,
    TaskControl: on_task_controls,
    RunImported: on_runs_imported,
}
