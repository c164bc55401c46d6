"""Making plans: once each, and said again when it is wanted again."""

import asyncio
from dataclasses import dataclass

import structlog

from services.planner.domain import refuse_if_too_large
from services.planner.lint import lint
from services.planner.metrics import PlannerMetrics
from services.planner.planners import PlanRequest, planner_named
from services.planner.store import PlanStore
from shared.contracts.approvals import TaskSubmitted
from shared.contracts.base import Event
from shared.contracts.plan import Plan, RunOptions
from shared.contracts.planner import PlanFailed, PlanProposed, PlanReason
from shared.errors import BadInput, TaskgroveError, Unavailable
from shared.ids import plan_id
from shared.messaging.publisher import Says
from shared.storage.port import Database, Doc
from shared.telemetry.metrics import ServiceMetrics

MOST_ERROR = 16_384

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Deps:
    """Built once, in wiring."""

    plans: PlanStore
    database: Database
    metrics: PlannerMetrics
    seconds: float
    common: ServiceMetrics


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which plan somebody needs, and why."""

    run_id: str
    task_id: str
    version: int
    reason: PlanReason


async def answered(deps: Deps, wanted: Wanted) -> Event:
    """The plan that is wanted, or why there is none: what is there already is said again."""
    if header := await deps.plans.header(plan_id(wanted.task_id, wanted.version)):
        return _said(header)
    if wanted.reason == "submitted":
        submission = await deps.plans.submission(wanted.run_id)
        if submission:
            return await planned(deps, submission, version=wanted.version)
        return await _failed(deps, wanted, "its submission is not kept, so that it cannot be planned again; submit it anew")
    if wanted.reason == "replan":
        return await _failed(deps, wanted, "a planner without a model has one plan only; a person must decide")
    return await _broken_down(deps, wanted)


async def _broken_down(deps: Deps, wanted: Wanted) -> Event:
    tasks, reason = await deps.plans.proposal(wanted.task_id)
    if not tasks:
        return await _failed(deps, wanted, f"{reason}, and nobody proposed how to break it down; split it in the notes")
    plan = Plan(task_id=wanted.task_id, version=wanted.version, planner="proposal", tasks=tuple(tasks))
    if errors := [finding for finding in lint(plan) if finding.severity == "error"]:
        wrong = "\n".join(f"{' / '.join(error.path) or 'the plan'}: {error.message}" for error in errors)
        return await _failed(deps, wanted, f"{reason}, and the breakdown that was proposed cannot be carried out:\n{wrong}")
    return await _kept(deps, plan, reason="expand", options=RunOptions(), submitted_by="executor")


async def planned(deps: Deps, event: TaskSubmitted, *, version: int) -> Event:
    """A plan for a whole run."""
    if header := await deps.plans.header(plan_id(event.run_id, version)):
        return _said(header)
    request = PlanRequest(event.run_id, event.prompt, event.notes, event.options)
    try:
        planner = planner_named(event.options.planner)
        plan = await asyncio.wait_for(asyncio.to_thread(planner.plan, request), deps.seconds)
        refuse_if_too_large(plan, event.options, depth=0)
        versioned = plan.model_copy(update={"version": version})
        return await _kept(deps, versioned, reason="submitted", options=event.options, submitted_by=event.submitted_by)
    except Unavailable:
        raise
    except Exception as error:  # noqa: BLE001 (a planner may be anybody's: whatever it raises is why there is no plan)
        log.warning("plan.failed", run_id=event.run_id, planner=event.options.planner, error=str(error))
        broke = f"the planner {event.options.planner!r} broke: {type(error).__name__}: {error}"
        return await _failed(
            deps, Wanted(event.run_id, event.run_id, version, "submitted"), str(error) if isinstance(error, TaskgroveError) else broke
        )


async def _kept(deps: Deps, plan: Plan, *, reason: PlanReason, options: RunOptions, submitted_by: str) -> Event:
    await deps.plans.keep(plan, reason=reason, options=options, submitted_by=submitted_by)
    deps.metrics.plans.labels(planner=plan.planner, outcome="proposed").inc()
    header = await deps.plans.header(plan_id(plan.task_id, plan.version))
    if header is None:
        raise BadInput(f"the plan of {plan.task_id} was not kept")
    log.info("plan.proposed", task_id=plan.task_id, planner=plan.planner, tasks=header["count"])
    return _said(header)


async def _failed(deps: Deps, wanted: Wanted, error: str) -> Event:
    short = error[:MOST_ERROR]
    await deps.plans.keep_failure(wanted.task_id, wanted.version, reason=wanted.reason, error=short)
    deps.metrics.plans.labels(planner="none", outcome="failed").inc()
    about = plan_id(wanted.task_id, wanted.version)
    return PlanFailed(run_id=wanted.run_id, task_id=wanted.task_id, plan_id=about, reason=wanted.reason, error=short)


async def sweep(deps: Deps) -> Says:
    """Say plans of runs again that have not begun; any other plan is asked for again by the task that needs it."""
    unheard = await deps.plans.unheard()
    deps.common.rescued.labels(what="plan").inc(len(unheard))
    return [_said(header) for header in unheard]


def _said(header: Doc) -> Event:
    about = {"run_id": header["run_id"], "task_id": header["task_id"], "plan_id": header["_id"]}
    if header["state"] == "failed":
        return PlanFailed(**about, reason=header["reason"], error=header["error"])
    return PlanProposed(**about, version=header["version"])
