"""RabbitMQ alone: what breaks on the wire or in the broker costs time, never a confirmed message."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aio_pika
import pytest
from yarl import URL

from shared.errors import BrokerUnavailable
from shared.messaging.rabbit import PUBLISH_TIMEOUT, WATCH_SECONDS, RabbitBroker, honest
from shared.messaging.topology import queue_of, queues
from taskgrove.local.parts import Program, find_rabbitmq
from taskgrove.local.ports import assign
from taskgrove.local.rabbit import Rabbit
from tests.contracts.broker.conftest import Ear, House
from tests.contracts.broker.proxy import Wire
from tests.rabbitmqctl import rabbitmqctl


@pytest.fixture
def house(wired_house: House) -> House:
    """Brokers that reach RabbitMQ over the wire."""
    return wired_house


async def eventually(publish: Callable[[], Awaitable[None]], seconds: float = 30) -> int:
    """Publish until it is confirmed; how often it was not."""
    refused = 0
    async with asyncio.timeout(seconds):
        while True:
            try:
                await publish()
            except BrokerUnavailable:
                refused += 1
                await asyncio.sleep(0.05)
            else:
                return refused


async def test_a_cut_connection_is_built_again_and_nothing_is_lost(house: House, wire: Wire) -> None:
    broker, ear = await house.broker(), Ear()
    await broker.consume(house.one, ear, prefetch=1_000)
    confirmed = []
    for n in range(60):
        if n % 20 == 10:
            wire.cut()
        await eventually(lambda n=n: broker.publish([house.message("a", str(n).encode())]))  # type: ignore[misc]
        confirmed.append(str(n).encode())
    async with asyncio.timeout(20):
        while not set(confirmed) <= set(ear.bodies()):
            await asyncio.sleep(0.02)
    assert broker.connected()


async def test_a_cut_in_the_middle_of_many_publishes_is_told_to_all_of_them(house: House, wire: Wire) -> None:
    broker, ear = await house.broker(), Ear()
    await broker.consume(house.one, ear, prefetch=10_000)
    publishes = [asyncio.create_task(broker.publish([house.message("a", str(n).encode())])) for n in range(400)]
    await ear.wait(20)
    wire.cut()
    outcomes = await asyncio.wait_for(asyncio.gather(*publishes, return_exceptions=True), 15)
    assert all(outcome is None or isinstance(outcome, BrokerUnavailable) for outcome in outcomes), "no CancelledError that nobody asked for"
    confirmed = {str(n).encode() for n, outcome in enumerate(outcomes) if outcome is None}
    async with asyncio.timeout(20):
        while not confirmed <= set(ear.bodies()):
            await asyncio.sleep(0.02)


async def test_while_cut_off_it_is_not_connected_and_publishing_fails_at_once(house: House, wire: Wire) -> None:
    broker = await house.broker()
    wire.refuses = True
    wire.cut()
    async with asyncio.timeout(5):
        while broker.connected():
            await asyncio.sleep(0.01)
    with pytest.raises(BrokerUnavailable, match="no connection to RabbitMQ"):
        await asyncio.wait_for(broker.publish([house.message("a")]), 0.5)
    ear = Ear()
    await asyncio.wait_for(broker.consume(house.one, ear, prefetch=10), 0.5)
    wire.refuses = False
    await eventually(lambda: broker.publish([house.message("a", b"back")]))
    await ear.wait(1)


async def test_acks_and_cancels_on_a_broken_connection_do_nothing(house: House, wire: Wire) -> None:
    broker, ear = await house.broker(), Ear()
    await broker.consume(house.one, ear, prefetch=10)
    await broker.publish([house.message("a", b"1")])
    await ear.wait(1)
    wire.cut()
    await asyncio.wait_for(ear.heard[0].ack(), 5)
    await ear.wait(2, seconds=20)
    assert ear.bodies() == [b"1", b"1"]
    assert ear.heard[1].headers.get("x-delivery-count") == 1
    await ear.heard[1].ack()
    wire.refuses = True
    wire.cut()
    await asyncio.wait_for(broker.cancel(house.one), 5)
    await asyncio.wait_for(broker.stop(), 5)


async def test_acks_that_meet_a_closing_connection_come_back(house: House, broker_url: str) -> None:
    """One channel ends, and both connections with it: what is acked meanwhile is more than aiormq has room for, and nobody takes it."""
    broker, ear = await house.broker(), Ear()
    await broker.consume(house.one, ear, prefetch=100)
    await broker.publish([house.message("a", str(n).encode()) for n in range(50)])
    first = list(await ear.wait(50))
    async with await aio_pika.connect(broker_url) as connection, connection.channel() as channel:
        await channel.queue_delete(house.one)
    async with asyncio.timeout(WATCH_SECONDS):
        while broker.connected():
            await asyncio.sleep(0)
    await asyncio.wait_for(asyncio.gather(*(delivery.ack() for delivery in first)), 20)
    await eventually(lambda: broker.publish([house.message("a", b"again")]))
    await ear.wait(51)


async def test_a_half_open_connection_does_not_hold_a_publisher(house: House, wire: Wire) -> None:
    broker = await house.broker()
    wire.hold()
    with pytest.raises(BrokerUnavailable):
        await asyncio.wait_for(broker.publish([house.message("a")]), PUBLISH_TIMEOUT + 2)
    wire.release()
    await eventually(lambda: broker.publish([house.message("a")]))
    wire.hold()
    await asyncio.wait_for(broker.stop(), 10)


async def test_a_queue_that_is_deleted_is_declared_and_heard_again(house: House, broker_url: str) -> None:
    broker, ear = await house.broker(), Ear()
    await broker.consume(house.one, ear, prefetch=10)
    async with await aio_pika.connect(broker_url) as connection, connection.channel() as channel:
        await channel.queue_delete(house.one)
    async with asyncio.timeout(WATCH_SECONDS / 2):  # told by RabbitMQ, not found out by the watch
        await eventually(lambda: broker.publish([house.message("a", b"again")]))
        await ear.wait(1)
    assert ear.bodies()[0] == b"again"


async def test_a_cancellation_that_nobody_asked_for_is_a_lost_connection() -> None:
    waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waiting.cancel()
    with pytest.raises(ConnectionError), honest():
        await waiting

    async def asked_for() -> None:
        with honest():
            await asyncio.sleep(10)

    task = asyncio.create_task(asked_for())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_several_services_may_start_at_once(house: House) -> None:
    brokers = await asyncio.gather(*(house.broker() for _ in range(6)))
    assert all(broker.connected() for broker in brokers)


async def test_it_waits_for_a_broker_that_comes_later(house: House, wire: Wire) -> None:
    wire.refuses = True
    starting = asyncio.create_task(house.broker())
    await asyncio.sleep(0.4)
    assert not starting.done()
    wire.refuses = False
    assert (await asyncio.wait_for(starting, 20)).connected()


async def test_a_broker_that_answers_slowly_is_reached(wire: Wire, broker_url: str) -> None:
    """All of the topology of the house: each question is soon answered, and all of them together take longer than one may."""
    broker, ear = RabbitBroker(str(URL(broker_url).with_port(wire.port)), name="test"), Ear()
    await broker.consume(queue_of("executor"), ear, prefetch=10)
    wire.lag = 0.15
    await asyncio.wait_for(broker.start(queues()), 60)
    assert broker.last_error == "", "at once, not with a lucky try"
    wire.lag = 0.0
    await broker.stop()


class TestTheNodeItself:
    """One node of its own, because it is killed."""

    @pytest.fixture
    async def node(self, parts_directory: Path) -> AsyncIterator[Rabbit]:
        part = find_rabbitmq()
        assert isinstance(part, Program), "this test kills the node by its process id: it needs RabbitMQ's package, not its image"
        ports = assign(["amqp", "dist", "epmd"], kept={})
        node = Rabbit(part, parts_directory / "killed", ports=ports, log=parts_directory / "killed.log")
        await node.start()
        yield node
        await node.stop()

    async def test_while_it_blocks_who_publishes_that_is_said_and_what_was_heard_can_be_acked(self, node: Rabbit) -> None:
        house = House(lambda: RabbitBroker(node.url, name="test"))
        broker, ear = await house.broker(), Ear()
        await broker.consume(house.one, ear, prefetch=1)
        await broker.publish([house.message("a", b"1"), house.message("a", b"2")])
        await ear.wait(1)
        assert node.child is not None
        await rabbitmqctl(node.child.pid, "set_vm_memory_high_watermark", "0.00001")
        with pytest.raises(BrokerUnavailable):
            await broker.publish([house.message("a", b"3")])
        async with asyncio.timeout(20):
            while broker.connected():
                await asyncio.sleep(0.02)
        await ear.heard[0].ack()
        await ear.wait(2)
        await rabbitmqctl(node.child.pid, "set_vm_memory_high_watermark", "0.4")
        async with asyncio.timeout(20):
            while not broker.connected():
                await asyncio.sleep(0.02)
        assert ear.bodies()[:2] == [b"1", b"2"], "the connections were not even built again"
        assert not ear.heard[0].lost()
        await eventually(lambda: broker.publish([house.message("a", b"4")]))
        await broker.stop()

    async def test_kill_and_restart_lose_nothing_that_was_confirmed(self, node: Rabbit) -> None:
        house = House(lambda: RabbitBroker(node.url, name="test"))
        broker, ear = await house.broker(), Ear()
        confirmed: set[bytes] = set()
        killed = asyncio.Event()

        async def talk() -> None:
            for n in range(100_000):
                if killed.is_set() and broker.connected() and n % 50 == 0:
                    return
                body = str(n).encode()
                await eventually(lambda body=body: broker.publish([house.message("a", body)]), 90)  # type: ignore[misc]
                confirmed.add(body)

        talking = asyncio.create_task(talk())
        while len(confirmed) < 50:
            await asyncio.sleep(0.01)
        assert node.child is not None
        os.killpg(node.child.pid, signal.SIGKILL)
        await node.child.wait()
        killed.set()
        before = len(confirmed)
        await node.start()
        await talking
        assert len(confirmed) > before
        await broker.consume(house.one, ear, prefetch=60_000)
        async with asyncio.timeout(20):
            while not confirmed <= set(ear.bodies()):
                await asyncio.sleep(0.02)
        await broker.stop()
