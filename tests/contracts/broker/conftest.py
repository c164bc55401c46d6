"""The two brokers that the suite of this folder runs on: the twin, and a real RabbitMQ. Queues and keys are each test's own."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest
from yarl import URL

from shared.ids import new_id
from shared.memory.broker import MemoryBroker, MemoryExchange
from shared.messaging.port import Broker, Delivery, Message, Queue
from shared.messaging.rabbit import RabbitBroker
from tests.contracts.broker.proxy import Wire


@dataclass
class Ear:
    """Keeps what it hears, and says when there is enough."""

    heard: list[Delivery] = field(default_factory=list)
    some: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, delivery: Delivery) -> None:
        self.heard.append(delivery)
        self.some.set()

    async def wait(self, count: int, *, seconds: float = 10.0) -> list[Delivery]:
        """Return once `count` have been heard."""
        async with asyncio.timeout(seconds):
            while len(self.heard) < count:
                self.some.clear()
                await self.some.wait()
        return self.heard

    async def ack_all(self) -> None:
        for delivery in self.heard:
            await delivery.ack()

    def bodies(self) -> list[bytes]:
        return [delivery.body for delivery in self.heard]


@dataclass
class House:
    """Brokers on one exchange, and names that no other test has."""

    new: Callable[[], Broker]
    one: str = field(default_factory=lambda: f"test.{new_id()}.one")
    other: str = field(default_factory=lambda: f"test.{new_id()}.other")
    most: int = 200_000
    made: list[Broker] = field(default_factory=list)

    @property
    def queues(self) -> list[Queue]:
        """`one` hears two keys and has room for `most`, `other` shares the second; `dead` takes what `one` was given too often."""
        return [
            Queue(self.one, (f"{self.one}.a", f"{self.one}.b"), most=self.most),
            Queue(self.other, (f"{self.one}.b",)),
            Queue(self.dead, (f"{self.one}.a",), dead=True),
        ]

    @property
    def dead(self) -> str:
        return f"{self.one}.dead"

    async def broker(self) -> Broker:
        """Another broker, connected."""
        broker = self.new()
        self.made.append(broker)
        await asyncio.wait_for(broker.start(self.queues), 30)
        return broker

    def message(self, key: str = "a", body: bytes = b"[]", *, durable: bool = True) -> Message:
        return Message(f"{self.one}.{key}", body, new_id(), "application/json", "run", {"traceparent": "00-x"}, durable)


@pytest.fixture(params=["memory", "rabbitmq"])
def maker(request: pytest.FixtureRequest) -> Callable[[], Broker]:
    """How a broker is made; the twin's tests must not wait for a RabbitMQ."""
    if request.param == "memory":
        exchange = MemoryExchange()
        return lambda: MemoryBroker(exchange)
    url: str = request.getfixturevalue("broker_url")
    return lambda: RabbitBroker(url, name="test")


@pytest.fixture
async def house(maker: Callable[[], Broker]) -> AsyncIterator[House]:
    house = House(maker)
    yield house
    for broker in house.made:
        await broker.stop()


@pytest.fixture
async def wire(broker_url: str) -> AsyncIterator[Wire]:
    """A line to RabbitMQ that can be cut."""
    url = URL(broker_url)
    async with Wire(url.host or "127.0.0.1", url.port or 5672).laid() as wire:
        yield wire


@pytest.fixture
async def wired_house(wire: Wire, broker_url: str) -> AsyncIterator[House]:
    """Brokers that reach RabbitMQ over the wire."""
    through = str(URL(broker_url).with_port(wire.port))
    house = House(lambda: RabbitBroker(through, name="test"))
    yield house
    wire.release()
    for broker in house.made:
        await broker.stop()
