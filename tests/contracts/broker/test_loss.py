"""What is lost and what is not: connections cut, queues deleted, queues that are full; on the twin and on RabbitMQ."""

import asyncio
from collections.abc import Awaitable, Callable

import aio_pika
import pytest

from shared.errors import BrokerUnavailable
from shared.memory.broker import MemoryBroker, MemoryExchange
from shared.messaging.port import Broker, Delivery, Message
from tests.contracts.broker.conftest import Ear, House
from tests.contracts.broker.proxy import Wire

SLACK = 200
"""RabbitMQ tells publishers that a quorum queue is full a little after it is."""

Delete = Callable[[str], Awaitable[None]]
Cut = Callable[[Broker], None]


@pytest.fixture
def delete(maker: Callable[[], Broker], request: pytest.FixtureRequest) -> Delete:
    """How a queue is taken away, by somebody else."""
    example = maker()
    if isinstance(example, MemoryBroker):
        exchange = example.exchange

        async def forget(queue: str) -> None:
            exchange.delete(queue)

        return forget
    url: str = request.getfixturevalue("broker_url")

    async def ordered(queue: str) -> None:
        async with await aio_pika.connect(url) as connection, connection.channel() as channel:
            await channel.queue_delete(queue)

    return ordered


@pytest.fixture
def cut(maker: Callable[[], Broker], request: pytest.FixtureRequest) -> Cut:
    """How all connections of a broker are lost."""
    example = maker()
    if isinstance(example, MemoryBroker):

        def lose(broker: Broker) -> None:
            assert isinstance(broker, MemoryBroker)
            broker.cut()

        return lose
    wire: Wire = request.getfixturevalue("wire")
    return lambda _: wire.cut()


async def said(broker: Broker, message: Message) -> None:
    """Say it until it is confirmed."""
    async with asyncio.timeout(30):
        while True:
            try:
                await broker.publish([message])
            except BrokerUnavailable:
                await asyncio.sleep(0.05)
            else:
                return


async def test_what_comes_back_goes_first_and_in_order(house: House) -> None:
    first, second, lost, found = await house.broker(), await house.broker(), Ear(), Ear()
    for n in range(6):
        await second.publish([house.message("a", str(n).encode())])
    await first.consume(house.one, lost, prefetch=4)
    await lost.wait(4)
    await first.stop()
    await second.consume(house.one, found, prefetch=10)
    await found.wait(6)
    assert found.bodies() == [b"0", b"1", b"2", b"3", b"4", b"5"]
    assert [delivery.headers.get("x-delivery-count") or 0 for delivery in found.heard] == [1, 1, 1, 1, 0, 0]


async def test_each_loss_counts(house: House) -> None:
    speaker = await house.broker()
    await speaker.publish([house.message("a")])
    for losses in range(4):
        broker, ear = await house.broker(), Ear()
        await broker.consume(house.one, ear, prefetch=1)
        (delivery,) = await ear.wait(1)
        assert (delivery.headers.get("x-delivery-count") or 0) == losses
        await broker.stop()


async def test_what_was_unacked_at_a_cancel_comes_back_after_the_stop_whoever_heard_meanwhile(house: House) -> None:
    first, second, before, after, found = await house.broker(), await house.broker(), Ear(), Ear(), Ear()
    await first.consume(house.one, before, prefetch=4)
    await first.publish([house.message("a", b"1")])
    await before.wait(1)
    await first.cancel(house.one)
    await first.consume(house.one, after, prefetch=4)
    await first.publish([house.message("a", b"2")])
    await after.wait(1)
    await first.stop()
    await second.consume(house.one, found, prefetch=10)
    await found.wait(2)
    assert sorted(found.bodies()) == [b"1", b"2"]


async def test_nothing_arrives_at_the_twin_inside_an_ack() -> None:
    """With RabbitMQ it cannot: what arrives is read by a task of its own."""
    exchange = MemoryExchange()
    house, ear = House(lambda: MemoryBroker(exchange)), Ear()
    broker = await house.broker()
    await broker.publish([house.message("a", b"1"), house.message("a", b"2")])
    await broker.consume(house.one, ear, prefetch=1)
    (first,) = await ear.wait(1)
    await first.ack()
    assert len(ear.heard) == 1
    await ear.wait(2)


async def test_who_heard_before_the_start_hears_from_the_start_on(house: House) -> None:
    speaker, broker, ear = await house.broker(), house.new(), Ear()
    house.made.append(broker)
    await broker.consume(house.one, ear, prefetch=1)
    await speaker.publish([house.message("a")])
    await broker.start(house.queues)
    await ear.wait(1)


async def test_a_deleted_queue_is_declared_and_heard_again_and_what_was_in_it_is_gone(house: House, delete: Delete) -> None:
    broker, one, other = await house.broker(), Ear(), Ear()
    await broker.consume(house.one, one, prefetch=1)
    await broker.consume(house.other, other, prefetch=1)
    await broker.publish([house.message("b", b"unacked"), house.message("a", b"waits")])
    await one.wait(1)
    await other.wait(1)
    await delete(house.one)
    await other.wait(2, seconds=20)
    assert other.bodies() == [b"unacked", b"unacked"], "everything is built again, so that what other queues had out comes again"
    await said(broker, house.message("a", b"new"))
    await one.wait(2, seconds=20)
    assert one.bodies()[-1] == b"new"
    await one.ack_all()
    await asyncio.sleep(0.1)
    assert b"waits" not in one.bodies()


class TestCut:
    @pytest.fixture
    def house(self, maker: Callable[[], Broker], request: pytest.FixtureRequest) -> House:
        """Here RabbitMQ is reached over a wire that can be cut."""
        return House(maker) if isinstance(maker(), MemoryBroker) else request.getfixturevalue("wired_house")

    async def test_unacked_messages_come_again_and_acks_of_the_old_life_do_nothing(self, house: House, cut: Cut) -> None:
        broker, ear = await house.broker(), Ear()
        await broker.consume(house.one, ear, prefetch=3)
        for n in range(5):
            await broker.publish([house.message("a", str(n).encode())])
        await ear.wait(3)
        await ear.heard[0].ack()
        await ear.wait(4)
        await asyncio.sleep(0.1)  # the ack has to arrive before the cut
        old = ear.heard[1:]
        assert not any(delivery.lost() for delivery in ear.heard)
        ear.heard = []
        cut(broker)
        await ear.wait(3, seconds=20)
        assert ear.bodies() == [b"1", b"2", b"3"]
        assert all(delivery.lost() for delivery in old)
        assert not any(delivery.lost() for delivery in ear.heard)
        for delivery in old:
            await delivery.ack()
        await asyncio.sleep(0.1)
        assert len(ear.heard) == 3, "an ack of the old life made room"
        await ear.heard[0].ack()
        await ear.wait(4)
        assert ear.bodies()[-1] == b"4"
        await broker.stop()
        assert all(delivery.lost() for delivery in ear.heard)

    async def test_what_was_confirmed_before_is_there_after(self, house: House, cut: Cut) -> None:
        broker, ear = await house.broker(), Ear()
        await broker.publish([house.message("a", b"before")])
        cut(broker)
        await said(broker, house.message("a", b"after"))
        await broker.consume(house.one, ear, prefetch=10)
        await ear.wait(2)
        assert {b"before", b"after"} <= set(ear.bodies())
        await broker.stop()


class TestFull:
    """A producer that is faster than whoever hears it: it is refused, says it again, and nothing that was confirmed is lost."""

    @pytest.fixture
    def house(self, house: House) -> House:
        """Here the first queue has room for few."""
        house.most = 20
        return house

    async def test_whoever_says_more_than_there_is_room_for_is_refused_until_there_is_some(self, house: House) -> None:
        broker, ear = await house.broker(), Ear()
        taken = await until_refused(broker, house, "a")
        assert taken >= house.most
        await broker.consume(house.one, ear, prefetch=5)
        await ear.wait(5)
        await ear.heard[0].ack()
        await said(broker, house.message("a", b"later"))

    async def test_many_who_say_much_at_once_wait_for_a_slow_ear_and_nothing_is_lost(self, house: House) -> None:
        speakers, hearer, heard = [await house.broker() for _ in range(3)], await house.broker(), asyncio.Queue[Delivery]()
        confirmed: set[bytes] = set()

        async def speak(number: int) -> None:
            for n in range(40):
                body = f"{number}.{n}".encode()
                await said(speakers[number % 3], house.message("a", body))
                confirmed.add(body)

        speaking = [asyncio.create_task(speak(number)) for number in range(6)]
        await asyncio.sleep(0.5)
        assert len(confirmed) <= house.most + SLACK, "they wait"
        await hearer.consume(house.one, heard.put_nowait, prefetch=5)
        bodies: set[bytes] = set()
        async with asyncio.timeout(60):
            while len(bodies) < 240:
                delivery = await heard.get()
                bodies.add(delivery.body)
                await asyncio.sleep(0.002)
                await delivery.ack()
            await asyncio.gather(*speaking)
        assert bodies == confirmed

    async def test_a_full_queue_refuses_what_other_queues_hear_as_well(self, house: House) -> None:
        """They have it already, and hear it again when it is said again: so handling it twice must change nothing."""
        broker, other = await house.broker(), Ear()
        await broker.consume(house.other, other, prefetch=1_000)
        taken = await until_refused(broker, house, "b")
        await other.wait(taken)


async def until_refused(broker: Broker, house: House, key: str) -> int:
    """Say one after the other until one is refused; how many were taken."""
    for n in range(house.most + SLACK):
        try:
            await broker.publish([house.message(key, str(n).encode())])
        except BrokerUnavailable:
            return n
    raise AssertionError("the queue has room for more than it should")
