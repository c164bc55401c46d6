"""A consumer and all that it stands on, in memory, with a clock that does not wait."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from shared.contracts.base import Event
from shared.ids import new_id
from shared.memory.broker import MemoryBroker, MemoryExchange
from shared.memory.store import MemoryDatabase
from shared.messaging.codec import encode
from shared.messaging.consumer import Consumer, Hears
from shared.messaging.port import Delivery, Message
from shared.messaging.publisher import Publisher
from shared.messaging.quarantine import QUARANTINE, Quarantine
from shared.messaging.topology import queue_of, queues
from shared.storage.port import Doc
from shared.telemetry.metrics import ServiceMetrics
from shared.telemetry.traces import NoTraces

SERVICE = "sequencer"


class QuickClock:
    """Time that passes as soon as somebody waits for it."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0.001)


@dataclass
class Stage:
    """One service's ear, and the world around it."""

    clock: QuickClock = field(default_factory=QuickClock)
    exchange: MemoryExchange = field(default_factory=MemoryExchange)
    consumers: list[Consumer] = field(default_factory=list)
    told: list[Delivery] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.database = MemoryDatabase(self.clock)
        self.broker = MemoryBroker(self.exchange)
        self.world = MemoryBroker(self.exchange)
        self.metrics = ServiceMetrics(CollectorRegistry())
        self.publisher = Publisher(self.broker, service=SERVICE, metrics=self.metrics)

    async def hear(self, hears: Hears, *, quarantine: Any = None) -> Consumer:
        """Start a consumer of `hears`, and listen to what it says."""
        for broker in (self.broker, self.world):
            await broker.start(queues())
        consumer = Consumer(
            hears,
            None,
            service=SERVICE,
            broker=self.broker,
            publisher=self.publisher,
            quarantine=quarantine or Quarantine(self.database[QUARANTINE.name], service=SERVICE, clock=self.clock),
            metrics=self.metrics,
            traces=NoTraces(),
            clock=self.clock,
        )
        self.consumers.append(consumer)
        await consumer.start()
        await self.world.consume(queue_of("executor"), self.told.append, prefetch=1_000)
        return consumer

    async def send(self, *messages: Sequence[Event] | Message) -> None:
        """Publish messages, each of one event or more."""
        await self.world.publish([m if isinstance(m, Message) else encode(m, service="test") for m in messages])

    async def send_raw(self, body: bytes, *, key: str = "task.verified", message_id: str | None = None) -> None:
        await self.send(Message(key, body, message_id or new_id(), "application/json"))

    async def quarantined(self) -> list[Doc]:
        return await self.database[QUARANTINE.name].find({}, sort=(("reason", 1),))

    def unacked(self) -> int:
        """Messages that the service's queue still answers for."""
        state = self.exchange._queues[queue_of(SERVICE)]  # noqa: SLF001 (the twin shows its insides to nobody else)
        return len(state.waiting) + len(state.returned) + sum(len(consumer.unacked) for consumer in state.consumers)

    def count(self, metric: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(metric, labels) or 0.0


async def until(condition: Callable[[], Any], *, seconds: float = 5.0) -> None:
    """Return once `condition` holds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.002)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    yield stage
    for consumer in stage.consumers:
        await consumer.drain(0)
