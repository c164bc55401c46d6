"""What the planner does when it hears something: make a plan once, and say again what is there already."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from services.planner.domain import refuse_if_too_large
from services.planner.metrics import PlannerMetrics
from services.planner.planners import PlanRequest, planner_named
from services.planner.store import PlanStore
from shared.contracts.approvals import RunImported, TaskSubmitted
from shared.contracts.base import Event
from shared.contracts.plan import Plan, RunOptions
from shared.contracts.planner import PlanFailed, PlanProposed, PlanReason
from shared.contracts.sequencer import PlanRequested
from shared.errors import BadInput, TaskgroveError, Unavailable
from shared.ids import plan_id
from shared.imports import take_slice
from shared.messaging.consumer import Hears
from shared.messaging.publisher import NOTHING, Says
from shared.storage.port import Database, Doc

MOST_ERROR = 16_384

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Deps:
    """Built once, in wiring."""

    plans: PlanStore
    database: Database
    metrics: PlannerMetrics
    seconds: float


async def on_tasks_submitted(events: Sequence[TaskSubmitted], deps: Deps) -> Says:
    """When someone wants something done, there is a plan for it, or the reason why not."""
    return [await _planned(deps, event, version=1) for event in events]


async def on_plans_requested(events: Sequence[PlanRequested], deps: Deps) -> Says:
    """When a task needs a plan of its own, it is the one made with its parent's, or the breakdown that its attempt proposed."""
    return [await _answered(deps, event) for event in events]


async def on_runs_imported(events: Sequence[RunImported], deps: Deps) -> Says:
    """When a run comes back, its plans are taken in."""
    for event in events:
        await take_slice(deps.database, event, ("plans",))
    return NOTHING


async def _answered(deps: Deps, event: PlanRequested) -> Event:
    if header := await deps.plans.header(plan_id(event.task_id, event.version)):
        return _said(header)
    if event.reason == "submitted":
        submission = await deps.plans.submission(event.run_id)
        if submission:
            return await _planned(deps, submission, version=event.version)
        return await _failed(deps, event, "its submission is not kept, so that it cannot be planned again; submit it anew")
    if event.reason == "replan":
        return await _failed(deps, event, "a planner without a model has one plan only; a person must decide")
    return await _broken_down(deps, event)


async def _broken_down(deps: Deps, event: PlanRequested) -> Event:
    tasks, reason = await deps.plans.proposal(event.task_id)
    if not tasks:
        return await _failed(deps, event, f"{reason}, and nobody proposed how to break it down; split it in the notes")
    plan = Plan(task_id=event.task_id, version=event.version, planner="proposal", tasks=tuple(tasks))
    return await _kept(deps, plan, reason="expand", options=RunOptions(), submitted_by="executor")


async def _planned(deps: Deps, event: TaskSubmitted, *, version: int) -> Event:
    if header := await deps.plans.header(plan_id(event.run_id, version)):
        return _said(header)
    request = PlanRequest(event.run_id, event.prompt, event.notes, event.options)
    try:
        planner = planner_named(event.options.planner)
        plan = await asyncio.wait_for(asyncio.to_thread(planner.plan, request), deps.seconds)
        refuse_if_too_large(plan, event.options, depth=0)
    except Unavailable:
        raise
    except Exception as error:  # noqa: BLE001 (a planner may be anybody's: whatever it raises is why there is no plan)
        log.warning("plan.failed", run_id=event.run_id, planner=event.options.planner, error=str(error))
        broke = f"the planner {event.options.planner!r} broke: {type(error).__name__}: {error}"
        return await _failed(deps, _asked(event, version), str(error) if isinstance(error, TaskgroveError) else broke)
    versioned = plan.model_copy(update={"version": version})
    return await _kept(deps, versioned, reason="submitted", options=event.options, submitted_by=event.submitted_by)


async def _kept(deps: Deps, plan: Plan, *, reason: PlanReason, options: RunOptions, submitted_by: str) -> Event:
    await deps.plans.keep(plan, reason=reason, options=options, submitted_by=submitted_by)
    deps.metrics.plans.labels(planner=plan.planner, outcome="proposed").inc()
    header = await deps.plans.header(plan_id(plan.task_id, plan.version))
    if header is None:
        raise BadInput(f"the plan of {plan.task_id} was not kept")
    log.info("plan.proposed", task_id=plan.task_id, planner=plan.planner, tasks=header["count"])
    return _said(header)


def _asked(event: TaskSubmitted, version: int) -> PlanRequested:
    return PlanRequested(run_id=event.run_id, task_id=event.run_id, version=version, reason="submitted")


async def _failed(deps: Deps, event: PlanRequested, error: str) -> Event:
    short = error[:MOST_ERROR]
    await deps.plans.keep_failure(event.task_id, event.version, reason=event.reason, error=short)
    deps.metrics.plans.labels(planner="none", outcome="failed").inc()
    about = plan_id(event.task_id, event.version)
    return PlanFailed(run_id=event.run_id, task_id=event.task_id, plan_id=about, reason=event.reason, error=short)


def _said(header: Doc) -> Event:
    about = {"run_id": header["run_id"], "task_id": header["task_id"], "plan_id": header["_id"]}
    if header["state"] == "failed":
        return PlanFailed(**about, reason=header["reason"], error=header["error"])
    return PlanProposed(**about, version=header["version"])


HEARS: Hears = {
    TaskSubmitted: on_tasks_submitted,
    PlanRequested: on_plans_requested,
    RunImported: on_runs_imported,
}
