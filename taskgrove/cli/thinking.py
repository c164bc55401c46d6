"""Plans in this process with the language model that the environment names, as the planner service would."""

import asyncio
from dataclasses import replace

from prometheus_client import CollectorRegistry

from services.planner.maker import plan_of
from services.planner.planners.base import Planner, PlanRequest, waits
from services.planner.settings import PlannerSettings
from shared.clock import ServerClock
from shared.contracts.plan import Plan
from shared.errors import ModelFailed
from shared.memory.store import MemoryDatabase
from shared.models import open_model
from shared.models.port import About, Question, Reply
from shared.models.settings import ModelSettings
from shared.settings import read
from shared.telemetry.traces import NoTraces
from taskgrove.cli.stand import log_plainly


class Elsewhere:
    """The model that another Taskgrove may have. Here it is not asked: whether there is one, that Taskgrove's planner knows."""

    name = "elsewhere"

    async def ask(self, question: Question, about: About, *, seconds: float) -> Reply:  # noqa: ARG002 (the port's signature)
        """Raises ModelFailed."""
        raise ModelFailed("this model belongs to another Taskgrove; submit there", code="model_refused", permanent=True)


def plan_here(planner: Planner, request: PlanRequest, *, elsewhere: bool = False) -> Plan:
    """The plan; with a model where one is configured, or may be `elsewhere`, where the run will be submitted.

    Raises what the planner raises, and ModelFailed after the planner's time.
    """
    if not waits(planner) and (elsewhere or not read(ModelSettings).configured):
        means = read(PlannerSettings).means(Elsewhere()) if elsewhere else None
        return Plan.model_validate(planner.plan(replace(request, means=means)))
    log_plainly("warning")
    return asyncio.run(_planned(planner, request))


async def _planned(planner: Planner, request: PlanRequest) -> Plan:
    clock, settings = ServerClock(), read(PlannerSettings)
    ledger = MemoryDatabase(clock)
    model = open_model(read(ModelSettings), ledger, clock, registry=CollectorRegistry(), traces=NoTraces(), service="planner")
    try:
        async with asyncio.timeout(settings.model_seconds):
            return await plan_of(planner, replace(request, means=settings.means(model) if model else None))
    except TimeoutError as error:
        raise ModelFailed(
            f"no plan was made within {settings.model_seconds:g} s; TASKGROVE_PLANNER_MODEL_SECONDS allows more", code="model_timed_out"
        ) from error
    finally:
        if model:
            await model.close()
