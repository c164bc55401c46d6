"""The store and the metrics of a ledger under test."""

from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry

from shared.clock import ServerClock
from shared.memory.store import MemoryDatabase
from shared.models.ledger import Ledger
from shared.models.metrics import ModelMetrics
from shared.telemetry.traces import NoTraces
from tests.unit.models.wire import Wire


@pytest.fixture
def database() -> MemoryDatabase:
    return MemoryDatabase(ServerClock())


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def ledger_of(database: MemoryDatabase, registry: CollectorRegistry) -> Callable[[Wire], Ledger]:
    metrics = ModelMetrics(registry)
    return lambda wire: Ledger(wire.endpoint, database["test_calls"], ServerClock(), metrics, NoTraces())
