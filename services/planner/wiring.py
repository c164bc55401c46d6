"""Where the planner is put together. Everything is built here, nothing at import."""

from services.planner.handlers import HEARS
from services.planner.metrics import PlannerMetrics
from services.planner.planners import PLANNERS
from services.planner.planning import Deps, sweep
from services.planner.settings import PlannerSettings
from services.planner.store import SCHEMAS, PlanStore
from shared.service import Ground, Service
from shared.settings import read


async def wire(ground: Ground) -> Service:
    """The planner on its ground."""
    settings = read(PlannerSettings)
    metrics = PlannerMetrics(ground.metrics.registry)
    metrics.knows(PLANNERS)
    ground.metrics.rescues(["plan"])
    deps = Deps(PlanStore(ground.database, ground.clock), ground.database, metrics, settings.seconds, ground.metrics)
    return Service("planner", HEARS, deps, SCHEMAS, sweep)
