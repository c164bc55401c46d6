"""Where the executor is put together. Everything is built here, nothing at import."""

from pathlib import Path

from services.executor.agents import Callables, Tools, agents
from services.executor.agents.model.caps import Caps
from services.executor.agents.model.thinking import Thinking
from services.executor.handlers import HEARS, Deps, sweep
from services.executor.metrics import AgentMetrics, ExecutorMetrics
from services.executor.progress import Progress
from services.executor.settings import ExecutorSettings
from services.executor.store import SCHEMAS, AttemptStore
from services.executor.workers import Workers
from shared.artifacts import ArtifactStore
from shared.ids import new_id
from shared.models import open_model
from shared.models.port import Model
from shared.models.prompts import Prompts
from shared.models.settings import ModelSettings
from shared.sandbox import Limits, Pool, Sandbox
from shared.service import Ground, Service
from shared.settings import read
from shared.storage.leases import Leases
from shared.turns import Turns
from shared.workplace import Workplace

PROMPTS = Path(__file__).parent / "prompts"


async def wire(ground: Ground) -> Service:
    """The executor on its ground; finds out first which sandbox works here."""
    settings = read(ExecutorSettings)
    hidden = ground.settings.hidden(settings.hidden)
    sandbox = await Sandbox.probe(settings.sandbox, hidden=hidden, network=settings.network)
    artifacts = ArtifactStore.open(ground.settings.artifacts_url)
    registry = ground.metrics.registry
    models = read(ModelSettings)
    model = open_model(models, ground.database, ground.clock, registry=registry, traces=ground.traces, service="executor")
    thinking = _thinking(model, settings, AgentMetrics(registry)) if model else None
    callables = Callables([name for name in settings.callables.split(",") if name])
    limits = Limits(seconds=settings.timeout_seconds, memory_bytes=settings.command_memory_bytes)
    pool = Pool(max(1, settings.process_slots // 2))  # of two slots a processor one computes
    tools = Tools(sandbox, artifacts, callables, pool, limits, thinking=thinking, model_commands=models.commands)
    leases = Leases(
        ground.database["attempts"],
        owner=f"executor-{new_id()}",
        seconds=settings.lease_seconds,
        clock=ground.clock,
        metrics=ground.metrics,
    )
    store = AttemptStore(ground.database, leases, ground.clock)
    progress = Progress(ground.publisher)
    place = Workplace(ground.settings.work_dir, "executor")
    workers = Workers(
        store,
        agents(tools),
        artifacts,
        publisher=ground.publisher,
        progress=progress,
        settings=settings,
        metrics=ExecutorMetrics(ground.metrics.registry),
        common=ground.metrics,
        traces=ground.traces,
        clock=ground.clock,
        place=place,
    )
    ground.metrics.rescues(["lease", "ready"])

    async def drain(seconds: float) -> None:
        await workers.drain(seconds)
        if model:
            await model.close()

    def close() -> None:
        tools.close()
        place.close()

    return Service(
        "executor",
        HEARS,
        Deps(store, workers, ground.database, ground.metrics),
        SCHEMAS,
        sweep,
        background=(leases.renew_forever, workers.intake.fill, workers.watch.run, progress.run),
        stop_claiming=workers.stop_claiming,
        drain=drain,
        close=close,
    )


def _thinking(model: Model, settings: ExecutorSettings, metrics: AgentMetrics) -> Thinking:
    """What the agent `model` works with."""
    caps = Caps(
        steps=settings.model_steps,
        tokens=settings.model_tokens,
        repeats=settings.model_repeats,
        context_bytes=settings.model_context_bytes,
        command_seconds=settings.model_command_seconds,
    )
    return Thinking(model, Prompts(PROMPTS), caps, metrics, Turns(settings.process_slots))
