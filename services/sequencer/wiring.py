"""Where the sequencer is put together. Everything is built here, nothing at import."""

from functools import partial

from services.sequencer.deps import Deps
from services.sequencer.domain.decide import Patience
from services.sequencer.handlers import HEARS
from services.sequencer.metrics import SequencerMetrics
from services.sequencer.sampling import sample
from services.sequencer.settings import SequencerSettings
from services.sequencer.spans import Spans
from services.sequencer.store import SCHEMAS, TaskStore
from services.sequencer.sweep import LOOKS, PLANNED_WAITS, sweep
from shared.service import Ground, Service
from shared.settings import read
from shared.telemetry.sampling import sample_forever


async def wire(ground: Ground) -> Service:
    """The sequencer on its ground."""
    settings = read(SequencerSettings)
    patience = Patience(settings.retry_base_seconds, settings.retry_cap_seconds)
    metrics = SequencerMetrics(ground.metrics.registry)
    ground.metrics.rescues(phase.value for phase in LOOKS if phase not in PLANNED_WAITS)
    store = TaskStore(ground.database, ground.clock, metrics)
    deps = Deps(store, ground.database, patience, ground.metrics, ground.publisher.say)
    sampling = partial(sample_forever, partial(sample, ground.database, metrics), ground.clock)
    spans = Spans(store, ground.traces)
    if ground.traces.on:
        ground.publisher.listeners.append(spans.take)
    return Service("sequencer", HEARS, deps, SCHEMAS, sweep, background=(spans.run, sampling))
