"""Makes the plans that take long: what a waiting planner answers for a run, and a model for one task of it."""

import asyncio
from dataclasses import dataclass
from typing import Any

import structlog

from services.planner.domain import prioritised, refuse_if_too_large, settled
from services.planner.keeping import Asked, Wanted
from services.planner.metrics import PlannerMetrics
from services.planner.planners import PlanRequest, planner_named
from services.planner.planners.base import Means, Planner, waits
from services.planner.scope import around
from services.planner.store import PlanStore
from shared.clock import Clock
from shared.contracts.approvals import TaskSubmitted
from shared.contracts.plan import PRIORITY, Plan
from shared.errors import BadInput, LimitExceeded, ModelFailed, TaskgroveError, Unavailable
from shared.ids import plan_id
from shared.models.patience import Patience
from shared.models.settings import NO_MODEL
from shared.turns import Deadline, timed_by

MOST_WAITS = 3
WAIT_BASE, WAIT_CAP = 2.0, 60.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes one plan at a time, as often as it is asked."""

    plans: PlanStore
    means: Means | None
    metrics: PlannerMetrics
    clock: Clock
    seconds: float

    async def made(self, asked: Asked) -> dict[str, Any] | None:
        """`plan` or `error`, as JSON values; None when nobody waits for it any more. Raises Unavailable when the store is away."""
        wanted, submission = asked.wanted, asked.submission
        try:
            async with asyncio.timeout(self.seconds) as clock:
                with timed_by(Deadline(clock)):
                    return await (self._for_run(wanted, submission) if submission else self._for_task(wanted))
        except Unavailable:
            raise
        except TimeoutError:
            return {"error": f"no plan was made within {self.seconds:g} s; TASKGROVE_PLANNER_MODEL_SECONDS allows more"}
        except TaskgroveError as error:
            return {"error": str(error)}
        except Exception as error:
            log.exception("planner.broke", task_id=wanted.task_id)
            return {"error": f"the planner broke: {type(error).__name__}: {error}"}

    async def _for_run(self, wanted: Wanted, event: TaskSubmitted) -> dict[str, Any]:
        before = await self.plans.header(plan_id(wanted.task_id, wanted.version - 1)) if wanted.version > 1 else None
        request = PlanRequest(
            wanted.task_id, event.prompt, event.notes, event.options, means=self.means, refused=(before or {}).get("error") or ""
        )
        plan, _ = settled(await self._planned(planner_named(event.options.planner), request), event.options)
        refuse_if_too_large(plan, event.options, depth=0)
        return _written(plan, wanted)

    async def _for_task(self, wanted: Wanted) -> dict[str, Any] | None:
        found = await around(self.plans, wanted)
        if found is None:
            log.info("plan.not_wanted", task_id=wanted.task_id, version=wanted.version)
            return None
        if self.means is None:
            raise BadInput(NO_MODEL)
        why = await self._why(wanted)
        try:
            found.refuse_if_hopeless(wanted)
        except LimitExceeded as error:
            raise LimitExceeded(f"{why}\n{error}") from error
        plan = await self._planned(planner_named("model"), found.request(wanted, self.means, why=why))
        return _written(prioritised(plan, found.task.get("priority", PRIORITY)), wanted)

    async def _why(self, wanted: Wanted) -> str:
        if wanted.reason == "expand":
            return (await self.plans.proposal(wanted.task_id))[1]
        return "\n".join(("It failed, as often as it may be tried. Another way is needed.", *wanted.failures))

    async def _planned(self, planner: Planner, request: PlanRequest) -> Plan:
        """Tried again where the model was busy, away or slow; what it answered once is in the ledger and costs nothing."""
        patience = Patience(lambda error: not error.permanent, base=WAIT_BASE, cap=WAIT_CAP, most_waits=MOST_WAITS, sleep=self.clock.sleep)

        def waits(error: ModelFailed, seconds: float) -> None:
            log.warning("plan.waits", task_id=request.task_id, code=error.code, error=str(error), seconds=round(seconds, 1))

        with self.metrics.seconds.labels(planner=planner.name).time():
            return await patience.get(lambda: plan_of(planner, request), waits=waits)


async def plan_of(planner: Planner, request: PlanRequest) -> Plan:
    """What the planner says: in a thread where it computes, here where it waits. Raises what the planner raises."""
    made = planner.plan(request) if waits(planner) else await asyncio.to_thread(planner.plan, request)
    return made if isinstance(made, Plan) else await made


def _written(plan: Plan, wanted: Wanted) -> dict[str, Any]:
    return {"plan": plan.model_copy(update={"task_id": wanted.task_id, "version": wanted.version}).wire()}
