"""Where the checker is put together. Everything is built here, nothing at import."""

from dataclasses import replace
from pathlib import Path

from services.checker.checks import Judging, Tools, checks
from services.checker.checks.base import LIMITS
from services.checker.handlers import HEARS, Deps, sweep
from services.checker.judge import Judge
from services.checker.metrics import CheckerMetrics
from services.checker.settings import CheckerSettings
from services.checker.store import SCHEMAS, VerdictStore
from shared.artifacts import ArtifactStore
from shared.ids import new_id
from shared.models import open_model
from shared.models.port import Model
from shared.models.prompts import Prompts
from shared.models.settings import ModelSettings
from shared.sandbox import Pool, Sandbox
from shared.service import Ground, Service
from shared.settings import read
from shared.storage.leases import Leases
from shared.workplace import Workplace

PROMPTS = Path(__file__).parent / "prompts"


async def wire(ground: Ground) -> Service:
    """The checker on its ground; finds out first which sandbox works here."""
    settings = read(CheckerSettings)
    hidden = ground.settings.hidden(settings.hidden)
    sandbox = await Sandbox.probe(settings.sandbox, hidden=hidden, network=settings.network)
    leases = Leases(
        ground.database["verdicts"],
        owner=f"checker-{new_id()}",
        seconds=settings.lease_seconds,
        clock=ground.clock,
        metrics=ground.metrics,
    )
    store = VerdictStore(ground.database, leases, ground.clock)
    models = read(ModelSettings)
    model = open_model(models, ground.database, ground.clock, registry=ground.metrics.registry, traces=ground.traces, service="checker")
    judging = _judging(model, settings) if model else None
    pool = Pool(max(1, settings.slots // 4))  # there are two slots a processor, and most are of commands
    limits = replace(LIMITS, memory_bytes=settings.command_memory_bytes)
    tools = Tools(sandbox, pool, limits, judging=judging, model_commands=models.commands)
    place = Workplace(ground.settings.work_dir, "checker")
    judge = Judge(
        store,
        checks(tools),
        ArtifactStore.open(ground.settings.artifacts_url),
        publisher=ground.publisher,
        slots=settings.slots,
        most=settings.waiting_slots,
        place=place,
        metrics=CheckerMetrics(ground.metrics.registry),
        traces=ground.traces,
        clock=ground.clock,
    )
    ground.metrics.rescues(["verdict"])
    deps = Deps(store, judge, ground.database, ground.metrics)

    async def drain(seconds: float) -> None:
        await judge.drain(seconds)
        if model:
            await model.close()

    def close() -> None:
        tools.close()
        place.close()

    return Service(
        "checker",
        HEARS,
        deps,
        SCHEMAS,
        sweep,
        background=(
            leases.renew_forever,
            judge.watch.run,
        ),
        stop_claiming=judge.stop_claiming,
        drain=drain,
        close=close,
    )


def _judging(model: Model, settings: CheckerSettings) -> Judging:
    """What the check `model` works with."""
    return Judging(model, Prompts(PROMPTS), most_bytes=settings.model_bytes, patience_seconds=settings.model_patience_seconds)
