"""Language models: the port, the client of OpenAI-compatible endpoints, the ledger of calls."""

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from shared.clock import Clock
from shared.models.metrics import ModelMetrics
from shared.models.settings import ModelSettings
from shared.storage.port import Database
from shared.telemetry.traces import Traces
from shared.turns import Turns

if TYPE_CHECKING:
    from shared.models.ledger import Ledger


def open_model(
    settings: ModelSettings, database: Database, clock: Clock, *, registry: CollectorRegistry, traces: Traces, service: str
) -> "Ledger | None":
    """The model of this service, with its ledger in `<service>_calls`; None when none is configured. Raises BadInput for wrong settings.

    `calls_schema(service)` belongs into the service's SCHEMAS, `close()` into its end.
    """
    metrics = ModelMetrics(registry)
    if not settings.configured:
        return None
    settings.refuse_incomplete()
    metrics.knows(settings.name)
    from shared.models.endpoint import Endpoint  # noqa: PLC0415 (nothing of it is paid for where there is no model)
    from shared.models.ledger import Ledger  # noqa: PLC0415

    turns = Turns(settings.concurrency)
    metrics.waits(turns.waiting)
    return Ledger(Endpoint(settings), database[f"{service}_calls"], clock, metrics, traces, turns)
