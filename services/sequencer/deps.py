"""What the sequencer's handlers are given."""

from dataclasses import dataclass

from services.sequencer.domain.decide import Patience
from services.sequencer.store import TaskStore
from shared.storage.port import Database
from shared.telemetry.metrics import ServiceMetrics


@dataclass(frozen=True, slots=True)
class Deps:
    """Built once, in wiring."""

    tasks: TaskStore
    database: Database
    patience: Patience
    common: ServiceMetrics
