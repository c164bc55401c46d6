"""What a simulated process stands on. Its metrics are made once for each service, because making them costs more than a schedule does."""

import asyncio
from functools import cache
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector

from services.approvals.store import feed
from shared.messaging.publisher import Publisher
from shared.messaging.quarantine import QUARANTINE, Quarantine
from shared.messaging.topology import events
from shared.service import Ground
from shared.telemetry.logs import LogStore
from shared.telemetry.metrics import ServiceMetrics
from shared.telemetry.traces import NoTraces

if TYPE_CHECKING:
    from tests.simulation.world import Process


feed.PAUSE_SECONDS = 0.03
"""Shorter than in production: more moments at which something can go wrong."""


class Unread(CollectorRegistry):
    """Nobody reads these metrics: each wiring may make its own anew."""

    def register(self, collector: Collector) -> None:
        """It is kept by those who count with it."""


class Unwritten(LogStore):
    """Keeps no lines: none come, and looking for them four times a second is half of what an idle service does."""

    async def run(self) -> None:
        await asyncio.get_running_loop().create_future()


@cache
def metrics_of(service: str) -> ServiceMetrics:
    """Counted over all lives of a service."""
    metrics = ServiceMetrics(Unread())
    metrics.says(event.name for event in events() if event.said_by == service)
    return metrics


def ground_of(process: "Process") -> Ground:
    """As `lay_ground` lays it, but unmeasured and untraced."""
    name, metrics = process.service, metrics_of(process.service)
    publisher = Publisher(process.broker, service=name, metrics=metrics)
    quarantine = Quarantine(process.database[QUARANTINE.name], service=name, clock=process.clock)
    return Ground(
        name,
        process.world.settings,
        process.broker,
        process.database,
        process.clock,
        metrics,
        NoTraces(),
        publisher,
        quarantine,
    )
