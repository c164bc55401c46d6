"""Where the executor is put together. Everything is built here, nothing at import."""

from pathlib import Path

from services.executor.agents import Callables, Tools, agents
from services.executor.handlers import HEARS, Deps, sweep
from services.executor.metrics import ExecutorMetrics
from services.executor.progress import Progress
from services.executor.settings import ExecutorSettings
from services.executor.store import SCHEMAS, AttemptStore
from services.executor.workers import Workers
from shared.artifacts import ArtifactStore
from shared.ids import new_id
from shared.sandbox import Pool, Sandbox
from shared.service import Ground, Service
from shared.settings import read
from shared.storage.leases import Leases


async def wire(ground: Ground) -> Service:
    """The executor on its ground; finds out first which sandbox works here."""
    settings = read(ExecutorSettings)
    hidden = [ground.settings.work_dir, *(Path(path) for path in settings.hidden.split(":") if path)]
    sandbox = await Sandbox.probe(settings.sandbox, hidden=hidden, network=settings.network)
    artifacts = ArtifactStore.open(ground.settings.artifacts_url)
    tools = Tools(sandbox, artifacts, Callables([name for name in settings.callables.split(",") if name]), Pool())
    leases = Leases(
        ground.database["attempts"],
        owner=f"executor-{new_id()}",
        seconds=settings.lease_seconds,
        clock=ground.clock,
        metrics=ground.metrics,
    )
    store = AttemptStore(ground.database, leases, ground.clock)
    progress = Progress(ground.publisher)
    workers = Workers(
        store,
        agents(tools),
        artifacts,
        publisher=ground.publisher,
        progress=progress,
        settings=settings,
        metrics=ExecutorMetrics(ground.metrics.registry),
        traces=ground.traces,
        clock=ground.clock,
        work_dir=ground.settings.work_dir,
    )
    ground.metrics.rescues(["lease"])
    return Service(
        "executor",
        HEARS,
        Deps(store, workers, ground.database, ground.metrics),
        SCHEMAS,
        sweep,
        background=(leases.renew_forever, workers.fill_slots, workers.watch, progress.run),
        drain=workers.drain,
        close=tools.close,
    )
