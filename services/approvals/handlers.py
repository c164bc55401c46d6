"""What the approvals service does when it hears something. Every fact goes into the live view as well."""

from collections.abc import Sequence

import structlog

from services.approvals.answering import withdraw_unasked
from services.approvals.deps import Deps
from services.approvals.domain.audit import Entry
from services.approvals.domain.deciding import PENDING
from shared.contracts.approvals import ApprovalDecided, RunImported, TaskControl, TaskSubmitted
from shared.contracts.base import Event
from shared.contracts.checker import TaskVerified
from shared.contracts.executor import AgentProgress, TaskExecuted
from shared.contracts.planner import PlanFailed, PlanProposed
from shared.contracts.sequencer import ApprovalRequested, PlanRequested, TaskCompleted, TaskFailed, TaskReady, TaskReopened
from shared.ids import check_run_id
from shared.imports import take_slice
from shared.messaging.consumer import Hears
from shared.messaging.publisher import NOTHING, Says

OWN_SLICES = ("approvals", "submissions")

log = structlog.get_logger()


async def on_tasks_submitted(events: Sequence[TaskSubmitted], deps: Deps) -> Says:
    """Somebody submitted: keep it, whoever published it, so that it can be said again until it is planned."""
    for event in events:
        check_run_id(event.run_id)
    known = await deps.submissions.get([event.run_id for event in events])
    fresh = {event.run_id: event for event in events if event.run_id not in known}
    for event in fresh.values():
        await deps.audit.add(Entry(event.submitted_by, "submit", event.run_id, {"by": "bus"}))
        log.info("submission.heard", run_id=event.run_id, who=event.submitted_by)
    await deps.submissions.add(list(fresh.values()))
    return await on_facts(events, deps)


async def on_approvals_requested(events: Sequence[ApprovalRequested], deps: Deps) -> Says:
    """People must answer: put it into the inbox. If they have answered before, the answer was not heard: say it again."""
    known = await deps.approvals.ask(events)
    for event in events:
        if event.approval_id not in known:
            deps.metrics.asked.labels(kind=event.kind).inc()
            log.info("approval.asked", task_id=event.task_id, approval_id=event.approval_id, kind=event.kind)
    tasks = await deps.reads.tasks({event.task_id for event in events}, ("open",))
    if ended := [name for name, task in tasks.items() if task.get("open") is False]:
        await deps.approvals.withdraw({"task_id": {"$in": ended}})
    await on_facts(events, deps)
    settled = [doc for doc in (await deps.approvals.get(list(known))).values() if doc["state"] != PENDING] if known else []
    return [ApprovalDecided(run_id=doc["run_id"], task_id=doc["task_id"], approval_id=doc["_id"]) for doc in settled]


async def on_tasks_ended(events: Sequence[TaskCompleted | TaskFailed | TaskReopened], deps: Deps) -> Says:
    """Tasks ended, or are to be done again: nobody waits any more for answers to what was asked about them."""
    await withdraw_unasked(deps, [task for event in events for task in event.tasks])
    return await on_facts(events, deps)


async def on_runs_imported(events: Sequence[RunImported], deps: Deps) -> Says:
    """A run came back: take our slice of it."""
    for event in events:
        new = await take_slice(deps.ground.database, event, OWN_SLICES)
        log.info("import.taken", run_id=event.run_id, documents=new)
    return await on_facts(events, deps)


async def on_progress(events: Sequence[AgentProgress], deps: Deps) -> Says:
    """Lines for those who watch now; kept nowhere."""
    for event in events:
        deps.hub.progress(event)
    return NOTHING


async def on_facts(events: Sequence[Event], deps: Deps) -> Says:
    """Anything else that happened goes into the live view."""
    await deps.feed.append(events)
    return NOTHING


HEARS: Hears = {
    TaskSubmitted: on_tasks_submitted,
    ApprovalRequested: on_approvals_requested,
    TaskCompleted: on_tasks_ended,
    TaskFailed: on_tasks_ended,
    TaskReopened: on_tasks_ended,
    RunImported: on_runs_imported,
    AgentProgress: on_progress,
    ApprovalDecided: on_facts,
    TaskControl: on_facts,
    PlanRequested: on_facts,
    PlanProposed: on_facts,
    PlanFailed: on_facts,
    TaskReady: on_facts,
    TaskExecuted: on_facts,
    TaskVerified: on_facts,
}
