"""Making plans: at once where that is quick, in the background where it takes long; said again when they are wanted again."""

import asyncio
from dataclasses import dataclass

from services.planner.domain import prioritised, refuse_if_too_large, settled
from services.planner.keeping import Asked, Keeper, Wanted, said
from services.planner.lint import errors_of
from services.planner.metrics import PlannerMetrics
from services.planner.planners import PlanRequest, planner_named
from services.planner.planners.base import Means, Planner, waits
from services.planner.store import PlanStore
from services.planner.workers import Workers
from shared.contracts.approvals import TaskSubmitted
from shared.contracts.base import Event
from shared.contracts.plan import Plan, RunOptions
from shared.errors import LimitExceeded, TaskgroveError, Unavailable
from shared.messaging.publisher import Says
from shared.storage.port import Database
from shared.telemetry.metrics import ServiceMetrics
from shared.telemetry.traces import Traces


@dataclass(frozen=True, slots=True)
class Deps:
    """Built once, in wiring. `means` is None where no language model is configured; `seconds` bounds planners that do not wait."""

    plans: PlanStore
    keeper: Keeper
    workers: Workers
    means: Means | None
    database: Database
    metrics: PlannerMetrics
    seconds: float
    common: ServiceMetrics
    traces: Traces


async def answered(deps: Deps, wanted: Wanted) -> Event | None:
    """The plan that is wanted, or why there is none: what is there already is said again. None: it is being made."""
    if event := await deps.keeper.already(wanted.plan_id):
        return event
    if wanted.reason == "submitted":
        submission = await deps.plans.submission(wanted.run_id)
        if submission:
            return await planned(deps, submission, version=wanted.version)
        return await deps.keeper.failed(wanted, "its submission is not kept, so that it cannot be planned again; submit it anew")
    if wanted.reason == "replan":
        return await _by_model(deps, wanted, otherwise="a planner without a model has one plan only; a person must decide")
    return await _broken_down(deps, wanted)


async def _broken_down(deps: Deps, wanted: Wanted) -> Event | None:
    tasks, reason = await deps.plans.proposal(wanted.task_id)
    if not tasks:
        return await _by_model(deps, wanted, otherwise=f"{reason}, and nobody proposed how to break it down; split it in the notes")
    proposed = Plan(task_id=wanted.task_id, version=wanted.version, planner="proposal", tasks=tuple(tasks))
    plan = prioritised(proposed, await deps.plans.priority(wanted.task_id))
    if errors := errors_of(plan):
        wrong = "\n".join(f"{' / '.join(error.path) or 'the plan'}: {error.message}" for error in errors)
        return await deps.keeper.failed(wanted, f"{reason}, and the breakdown that was proposed cannot be carried out:\n{wrong}")
    return await deps.keeper.kept(plan, reason="expand", options=RunOptions(), submitted_by="executor")


async def _by_model(deps: Deps, wanted: Wanted, *, otherwise: str) -> Event | None:
    if deps.means is None:
        return await deps.keeper.failed(wanted, otherwise)
    await deps.workers.offer(Asked(wanted))
    return None


async def planned(deps: Deps, event: TaskSubmitted, *, version: int) -> Event | None:
    """A plan for a whole run. None: it is being made."""
    wanted = Wanted(event.run_id, event.run_id, version, "submitted")
    if there := await deps.keeper.already(wanted.plan_id):
        return there
    try:
        planner = planner_named(event.options.planner)
        if waits(planner):
            await deps.workers.offer(Asked(wanted, event))
            return None
        plan, options = settled(await _computed(deps, planner, event), event.options)
        refuse_if_too_large(plan, options, depth=0)
        versioned = plan.model_copy(update={"version": version})
        return await deps.keeper.kept(versioned, reason="submitted", options=options, submitted_by=event.submitted_by)
    except Unavailable:
        raise
    except Exception as error:  # noqa: BLE001 (a planner may be anybody's: whatever it raises is why there is no plan)
        broke = f"the planner {event.options.planner!r} broke: {type(error).__name__}: {error}"
        return await deps.keeper.failed(wanted, str(error) if isinstance(error, TaskgroveError) else broke)


async def _computed(deps: Deps, planner: Planner, event: TaskSubmitted) -> Plan:
    request = PlanRequest(event.run_id, event.prompt, event.notes, event.options, means=deps.means)
    with deps.metrics.seconds.labels(planner=planner.name).time(), deps.traces.doing("plan", event.run_id, planner=planner.name):
        try:
            return Plan.model_validate(await asyncio.wait_for(asyncio.to_thread(planner.plan, request), deps.seconds))
        except TimeoutError as error:
            way_out = "give it less, or more time by TASKGROVE_PLANNER_SECONDS"
            raise LimitExceeded(f"the planner {planner.name!r} took longer than {deps.seconds:g} s; {way_out}") from error


async def sweep(deps: Deps) -> Says:
    """Go on with plannings that wait or were abandoned. Say plans of runs again that have not begun: any other is asked for by its task."""
    deps.common.rescued.labels(what="planning").inc(await deps.workers.take_over())
    unheard = await deps.plans.unheard()
    deps.common.rescued.labels(what="plan").inc(len(unheard))
    return [said(header) for header in unheard]
