"""Where the planner is put together. Everything is built here, nothing at import."""

from typing import Any

from services.planner.handlers import HEARS
from services.planner.metrics import PlannerMetrics
from services.planner.planning import Deps
from services.planner.settings import PlannerSettings
from services.planner.store import SCHEMAS, PlanStore
from shared.messaging.publisher import NOTHING, Says
from shared.service import Ground, Service


async def nothing_waits(_deps: Any) -> Says:
    """Plans wait for nothing: who needs one asks again."""
    return NOTHING


async def wire(ground: Ground) -> Service:
    """The planner on its ground."""
    settings = PlannerSettings()
    deps = Deps(PlanStore(ground.database, ground.clock), ground.database, PlannerMetrics(ground.metrics.registry), settings.seconds)
    return Service("planner", HEARS, deps, SCHEMAS, nothing_waits)
