"""What the sequencer's handlers are given."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from services.sequencer.domain.decide import Patience
from services.sequencer.store import TaskStore
from shared.messaging.publisher import Says
from shared.storage.port import Database
from shared.telemetry.metrics import ServiceMetrics


@dataclass(frozen=True, slots=True)
class Deps:
    """Built once, in wiring. `tell` says at once what must not wait for the end of its handler."""

    tasks: TaskStore
    database: Database
    patience: Patience
    common: ServiceMetrics
    tell: Callable[[Says], Awaitable[None]]
