"""Where the planner is put together. Everything is built here, nothing at import."""

from services.planner.handlers import HEARS
from services.planner.keeping import Keeper
from services.planner.maker import Maker
from services.planner.metrics import PlannerMetrics
from services.planner.planners import planners
from services.planner.planning import Deps, sweep
from services.planner.settings import PlannerSettings
from services.planner.store import SCHEMAS, PlanningStore, PlanStore
from services.planner.workers import Workers
from shared.catalogue.agents import known_agents
from shared.catalogue.checks import known_checks
from shared.ids import new_id
from shared.models import open_model
from shared.models.settings import ModelSettings
from shared.service import Ground, Service
from shared.settings import read
from shared.storage.leases import Leases


async def wire(ground: Ground) -> Service:
    """The planner on its ground, with a language model where one is configured."""
    settings = read(PlannerSettings)
    metrics = PlannerMetrics(ground.metrics.registry)
    metrics.knows(planners())
    known_agents(), known_checks()  # what cannot be used is refused now, not with each plan
    ground.metrics.rescues(["plan", "planning"])
    model = open_model(
        read(ModelSettings), ground.database, ground.clock, registry=ground.metrics.registry, traces=ground.traces, service="planner"
    )
    means = settings.means(model) if model else None
    plans = PlanStore(ground.database, ground.clock)
    keeper = Keeper(plans, metrics)
    owner = f"planner-{new_id()}"
    leases = Leases(ground.database["plannings"], owner=owner, seconds=settings.lease_seconds, clock=ground.clock, metrics=ground.metrics)
    workers = Workers(
        PlanningStore(ground.database, leases, ground.clock, owner=owner),
        Maker(plans, means, metrics, ground.clock, settings.model_seconds),
        keeper,
        publisher=ground.publisher,
        traces=ground.traces,
        slots=settings.slots,
    )

    async def drain(seconds: float) -> None:
        await workers.drain(seconds)
        if model:
            await model.close()

    deps = Deps(plans, keeper, workers, means, ground.database, metrics, settings.seconds, ground.metrics, ground.traces)
    return Service(
        "planner",
        HEARS,
        deps,
        SCHEMAS,
        sweep,
        background=(leases.renew_forever, workers.watch.run),
        stop_claiming=workers.stop_claiming,
        drain=drain,
    )
