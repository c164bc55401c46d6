"""What the planner does when it hears something: make a plan once, and say again what is there already."""

from collections.abc import Sequence

from services.planner.keeping import Wanted
from services.planner.planning import Deps, answered, planned
from shared.contracts.approvals import RunImported, TaskSubmitted
from shared.contracts.sequencer import PlanRequested
from shared.ids import check_run_id
from shared.imports import take_slice
from shared.messaging.consumer import Hears
from shared.messaging.publisher import NOTHING, Says


async def on_tasks_submitted(events: Sequence[TaskSubmitted], deps: Deps) -> Says:
    """When someone wants something done, there is a plan for it, or the reason why not: now, or once it is made."""
    for event in events:
        check_run_id(event.run_id)
    return [said for event in events if (said := await planned(deps, event, version=1))]


async def on_plans_requested(events: Sequence[PlanRequested], deps: Deps) -> Says:
    """When a task needs a plan of its own, it is the one made with its parent's, the breakdown that its attempt proposed, or a model's."""
    wanted = [Wanted(event.run_id, event.task_id, event.version, event.reason, event.failures) for event in events]
    return [said for one in wanted if (said := await answered(deps, one))]


async def on_runs_imported(events: Sequence[RunImported], deps: Deps) -> Says:
    """When a run comes back, its plans are taken in, and what models were paid for them."""
    for event in events:
        await take_slice(deps.database, event, ("plans", "planner_calls"))
    return NOTHING


HEARS: Hears = {
    TaskSubmitted: on_tasks_submitted,
    PlanRequested: on_plans_requested,
    RunImported: on_runs_imported,
}
