"""Random operations on the twin and on RabbitMQ: each message reaches the same ears in the same order, as often, and is refused alike.

TASKGROVE_TEST_OPERATIONS (10 000) says how many, TASKGROVE_TEST_SEED which; a failure names its seed and operation.
"""

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from shared.errors import BrokerUnavailable
from shared.memory.broker import MemoryBroker, MemoryExchange
from shared.messaging.port import Broker, Delivery
from shared.messaging.rabbit import RabbitBroker
from tests.contracts.broker.conftest import House

STREAMS = 10
"""Houses that are worked on at the same time, so that the disk's waits overlap."""
TURNS = 4
SECONDS = 10.0
QUIET = 0.1


@dataclass
class Side:
    """One broker of the two, and what each queue's ear has heard from it: body, and how often it had been delivered before."""

    new: Callable[[], Broker]
    broker: Broker = field(init=False)
    heard: dict[str, list[tuple[bytes, int]]] = field(default_factory=dict)
    unacked: dict[str, list[Delivery]] = field(default_factory=dict)

    def receive(self, queue: str) -> Callable[[Delivery], None]:
        def take(delivery: Delivery) -> None:
            self.heard.setdefault(queue, []).append((delivery.body, int(str(delivery.headers.get("x-delivery-count") or 0))))
            self.unacked.setdefault(queue, []).append(delivery)

        return take

    async def connect(self, house: House) -> None:
        self.broker, self.unacked = self.new(), {}
        await self.broker.start(house.queues)


@dataclass
class Play:
    """One house on both sides, worked on by the same dice. A queue is heard by one ear at a time: then its order is promised."""

    house: House
    twin: Side
    real: Side
    dice: random.Random
    hears: set[str] = field(default_factory=set)
    said: int = 0

    async def step(self) -> str:
        """One operation on both; what it was."""
        kind = self.dice.choices(["publish", "ack", "consume", "cancel", "stop", "astray"], weights=[45, 35, 15, 2, 1, 2])[0]
        told: str = await getattr(self, kind)()
        return f"{kind} {told}"

    async def publish(self) -> str:
        key, count = self.dice.choice("ab"), self.dice.choice([1, 1, 1, 3])
        for _ in range(count):
            self.said += 1
            message = self.house.message(key, str(self.said).encode(), durable=self.dice.random() < 0.9)
            await asyncio.gather(self.twin.broker.publish([message]), self.real.broker.publish([message]))
        return f"{count} to {key}"

    async def astray(self) -> str:
        for side in (self.twin, self.real):
            with pytest.raises(BrokerUnavailable):
                await side.broker.publish([self.house.message("nobody")])
        return "to nobody"

    async def ack(self) -> str:
        queue = self._queue()
        if not self.twin.unacked.get(queue):
            return "nothing"
        place = self.dice.randrange(len(self.twin.unacked[queue]))
        ours, theirs = self.twin.unacked[queue].pop(place), self.real.unacked[queue].pop(place)
        assert ours.body == theirs.body
        for delivery in (ours, theirs):
            for _ in range(self.dice.choice([1, 1, 1, 2])):
                await delivery.ack()
        return f"{ours.body!r} of {queue}"

    async def consume(self) -> str:
        queue, prefetch = self._queue(), self.dice.choice([1, 3, 100])
        if queue in self.hears or self.twin.unacked.get(queue):  # of two ears, whose messages come back first is not promised
            return f"{queue}: an ear has it"
        self.hears.add(queue)
        for side in (self.twin, self.real):
            await side.broker.consume(queue, side.receive(queue), prefetch=prefetch)
        return f"{queue}, {prefetch} at once"

    async def cancel(self) -> str:
        queue = self._queue()
        self.hears.discard(queue)
        for side in (self.twin, self.real):
            await side.broker.cancel(queue)
        return queue

    async def stop(self) -> str:
        self.hears.clear()
        await self.drain_acks()
        for side in (self.twin, self.real):
            await side.broker.stop()
            await side.connect(self.house)
        return "and connect again"

    async def settle(self, where: str) -> None:
        """Until the real side has heard what the twin has; then both must have heard the same."""
        for _ in range(TURNS):
            await asyncio.sleep(0)
        try:
            async with asyncio.timeout(SECONDS):
                while any(len(self.real.heard.get(queue, ())) < len(heard) for queue, heard in self.twin.heard.items()):
                    await asyncio.sleep(0.001)
        except TimeoutError:
            pass  # the comparison says what is missing
        for queue, heard in self.twin.heard.items():
            real = self.real.heard.get(queue, [])
            same = next((place for place, (ours, theirs) in enumerate(zip(heard, real, strict=False)) if ours != theirs), len(real))
            assert real == heard, f"{where}\n  {queue}, from delivery {same} on\n  twin: {heard[same:]}\n  real: {real[same:]}"

    async def drain_acks(self) -> None:
        """Acks are not answered: what is said and confirmed after them, on the same connection or not, does not order them."""
        await asyncio.sleep(QUIET / 5)

    def _queue(self) -> str:
        return self.dice.choice([self.house.one, self.house.other, self.house.dead])


async def play(url: str, *, seed: int, operations: int) -> Counter[str]:
    """Work on one house; how many operations of each kind there were."""
    exchange, kinds = MemoryExchange(), Counter[str]()
    twin, real = Side(lambda: MemoryBroker(exchange)), Side(lambda: RabbitBroker(url, name="test"))
    house = House(twin.new)
    one = Play(house, twin, real, random.Random(seed))  # noqa: S311 (a test's dice)
    for side in (twin, real):
        await side.connect(house)
    try:
        for number in range(operations):
            told = await one.step()
            await one.settle(f"seed {seed}, after operation {number}: {told}")
            kinds[told.partition(" ")[0]] += 1
        await asyncio.sleep(QUIET)
        await one.settle(f"seed {seed}: more arrived than the twin gave out")
    finally:
        await twin.broker.stop()
        await real.broker.stop()
    kinds["deliveries"] = sum(map(len, twin.heard.values()))
    kinds["again"] = sum(count > 0 for heard in twin.heard.values() for _, count in heard)
    return kinds


async def test_random_operations_reach_the_same_ears(broker_url: str) -> None:
    operations = int(os.environ.get("TASKGROVE_TEST_OPERATIONS", "10000"))
    seed = int(os.environ.get("TASKGROVE_TEST_SEED", "0")) or random.SystemRandom().randint(1, 10**9)
    began = time.monotonic()
    plays = (play(broker_url, seed=seed + number, operations=operations // STREAMS) for number in range(STREAMS))
    kinds = sum(await asyncio.gather(*plays), Counter[str]())
    deliveries, again = kinds.pop("deliveries"), kinds.pop("again")
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    print(
        f"\nbroker: {kinds.total()} operations alike, {deliveries} deliveries, {again} of them again, "
        f"{time.monotonic() - began:.1f} s, seed {seed}: {told}"
    )
    assert deliveries > operations / 5, "hardly anything was delivered: this run showed nothing"
