"""The approvals service, put together."""

from functools import partial

from services.approvals.api.app import create_app
from services.approvals.dead import Dead
from services.approvals.deps import Deps
from services.approvals.first_keys import put_first_keys, read_first_keys
from services.approvals.glances import Glances
from services.approvals.handlers import HEARS
from services.approvals.live import Hub
from services.approvals.metrics import ApprovalsMetrics
from services.approvals.sampling import sample
from services.approvals.settings import ApprovalsSettings
from services.approvals.store import SCHEMAS
from services.approvals.store.approvals import Approvals
from services.approvals.store.audit import Audit
from services.approvals.store.feed import Feed
from services.approvals.store.imports import Imports
from services.approvals.store.logs import Logs
from services.approvals.store.looking import Looking
from services.approvals.store.principals import Principals
from services.approvals.store.quarantined import Quarantined
from services.approvals.store.reads import Reads
from services.approvals.store.sessions import Sessions
from services.approvals.store.submissions import Submissions
from services.approvals.summaries import Summaries
from services.approvals.sweep import sweep
from shared.artifacts import ArtifactStore
from shared.models.settings import ModelSettings
from shared.service import Ground, Service
from shared.settings import read
from shared.telemetry.sampling import sample_forever


async def wire(ground: Ground) -> Service:
    """Everything is built here, nothing at import."""
    settings = read(ApprovalsSettings)
    first = read_first_keys(settings.bootstrap_keys, secrets=ground.settings.secrets_dir) if settings.bootstrap_keys else []
    deps = build(ground, settings)
    dead = Dead(ground)
    sampling = partial(sample_forever, partial(sample, deps), ground.clock)
    ground.metrics.rescues(("submission", "control", "approval", "import"))

    async def start() -> None:
        await put_first_keys(deps, first)
        await dead.start()

    return Service(
        "approvals",
        HEARS,
        deps,
        SCHEMAS,
        sweep,
        background=[sampling],
        start=start,
        stop_claiming=deps.hub.close,
        drain=dead.drain,
        make_app=partial(create_app, deps),
    )


def build(ground: Ground, settings: ApprovalsSettings) -> Deps:
    """The service's parts over this ground."""
    database, clock, hub = ground.database, ground.clock, Hub()
    reads = Reads(database)
    summaries = Summaries(reads, clock)
    metrics = ApprovalsMetrics(ground.metrics.registry)
    metrics.watchers.set_function(hub.count)
    return Deps(
        ground=ground,
        settings=settings,
        metrics=metrics,
        hub=hub,
        artifacts=ArtifactStore.open(ground.settings.artifacts_url),
        submissions=Submissions(database, clock),
        approvals=Approvals(database, clock),
        audit=Audit(database, clock),
        principals=Principals(database, clock),
        sessions=Sessions(database, clock),
        feed=Feed(database, clock, hub.wake),
        imports=Imports(database, clock),
        reads=reads,
        looking=Looking(database),
        summaries=summaries,
        glances=Glances(database, summaries, clock),
        logs=Logs(database),
        quarantined=Quarantined(database, clock),
        has_model=read(ModelSettings).configured,
    )
