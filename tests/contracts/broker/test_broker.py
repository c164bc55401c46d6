"""What the port promises, on the twin and on RabbitMQ."""

import asyncio

import pytest

from shared.errors import BrokerUnavailable
from shared.messaging.port import Delivery
from shared.messaging.topology import DELIVERY_LIMIT
from tests.contracts.broker.conftest import Ear, House

SOON = 0.15


async def test_a_message_reaches_every_queue_that_is_bound_to_its_key(house: House) -> None:
    broker, one, other = await house.broker(), Ear(), Ear()
    await broker.consume(house.one, one, prefetch=10)
    await broker.consume(house.other, other, prefetch=10)
    await broker.publish([house.message("a", b"1"), house.message("b", b"2")])
    await one.wait(2)
    await other.wait(1)
    await asyncio.sleep(SOON)
    assert sorted(one.bodies()) == [b"1", b"2"]
    assert other.bodies() == [b"2"]


async def test_it_arrives_as_it_was_sent(house: House) -> None:
    broker, ear = await house.broker(), Ear()
    message = house.message("a", "ä€\0".encode())
    await broker.publish([message])
    await broker.consume(house.one, ear, prefetch=10)
    (delivery,) = await ear.wait(1)
    assert (delivery.body, delivery.routing_key, delivery.message_id) == (message.body, message.routing_key, message.message_id)
    assert delivery.headers["traceparent"] == "00-x"


async def test_what_was_said_before_anyone_listened_waits_in_order(house: House) -> None:
    broker, ear = await house.broker(), Ear()
    bodies = [str(n).encode() for n in range(20)]
    for body in bodies:
        await broker.publish([house.message("a", body)])
    await broker.consume(house.one, ear, prefetch=100)
    await ear.wait(20)
    assert ear.bodies() == bodies


async def test_hundreds_in_one_publish(house: House) -> None:
    broker, ear = await house.broker(), Ear()
    await broker.publish([house.message("a", str(n).encode()) for n in range(700)])
    await broker.consume(house.one, ear, prefetch=1_000)
    await ear.wait(700)
    assert set(ear.bodies()) == {str(n).encode() for n in range(700)}


async def test_publishing_nothing_is_nothing(house: House) -> None:
    await (await house.broker()).publish([])


async def test_what_no_queue_is_bound_to_is_an_error_and_harms_no_neighbour(house: House) -> None:
    broker, ear = await house.broker(), Ear()
    await broker.consume(house.one, ear, prefetch=10)
    with pytest.raises(BrokerUnavailable):
        await broker.publish([house.message("a", b"1"), house.message("nobody"), house.message("a", b"2")])
    await ear.wait(2)
    assert sorted(ear.bodies()) == [b"1", b"2"]
    await broker.publish([house.message("a", b"3")])
    await ear.wait(3)


async def test_what_need_not_last_is_delivered_as_well(house: House) -> None:
    broker, ear = await house.broker(), Ear()
    await broker.consume(house.one, ear, prefetch=10)
    await broker.publish([house.message("a", b"progress", durable=False)])
    await ear.wait(1)
    assert ear.bodies() == [b"progress"]


async def test_a_large_message(house: House) -> None:
    broker, ear = await house.broker(), Ear()
    body = b"x" * (5 * 1024 * 1024)
    await broker.consume(house.one, ear, prefetch=10)
    await broker.publish([house.message("a", body)])
    (delivery,) = await ear.wait(1)
    assert delivery.body == body
    await delivery.ack()


async def test_at_most_prefetch_are_unacked(house: House) -> None:
    broker, ear = await house.broker(), Ear()
    await broker.publish([house.message("a", str(n).encode()) for n in range(10)])
    await broker.consume(house.one, ear, prefetch=3)
    await ear.wait(3)
    await asyncio.sleep(SOON)
    assert len(ear.heard) == 3
    await ear.heard[1].ack()
    await ear.wait(4)
    await asyncio.sleep(SOON)
    assert len(ear.heard) == 4
    for n in range(10):
        await ear.wait(n + 1)
        await ear.heard[n].ack()
    assert len(set(ear.bodies())) == 10


async def test_consumers_of_one_queue_share_it(house: House) -> None:
    ears = [Ear(), Ear()]
    brokers = [await house.broker(), await house.broker()]
    for broker, ear in zip(brokers, ears, strict=True):
        await broker.consume(house.one, ear, prefetch=2)
    await brokers[0].publish([house.message("a", str(n).encode()) for n in range(4)])
    await ears[0].wait(2)
    await ears[1].wait(2)
    await asyncio.sleep(SOON)
    assert sorted(ears[0].bodies() + ears[1].bodies()) == [b"0", b"1", b"2", b"3"]


async def test_what_was_not_acked_is_delivered_again_after_a_stop(house: House) -> None:
    first, second, lost, found = await house.broker(), await house.broker(), Ear(), Ear()
    await first.consume(house.one, lost, prefetch=10)
    await second.publish([house.message("a", str(n).encode()) for n in range(3)])
    await lost.wait(3)
    await next(delivery for delivery in lost.heard if delivery.body == b"1").ack()
    await asyncio.sleep(SOON)
    await first.stop()
    await second.consume(house.one, found, prefetch=10)
    await found.wait(2)
    await asyncio.sleep(SOON)
    assert sorted(found.bodies()) == [b"0", b"2"]
    assert {delivery.headers.get("x-delivery-count") for delivery in found.heard} == {1}


async def test_an_ack_after_the_stop_does_nothing(house: House) -> None:
    first, second, lost, found = await house.broker(), await house.broker(), Ear(), Ear()
    await first.consume(house.one, lost, prefetch=10)
    await second.publish([house.message("a")])
    await lost.wait(1)
    await first.stop()
    await lost.ack_all()
    await second.consume(house.one, found, prefetch=10)
    await found.wait(1)


async def test_an_ack_twice_does_nothing_more(house: House) -> None:
    broker, ear = await house.broker(), Ear()
    await broker.consume(house.one, ear, prefetch=1)
    await broker.publish([house.message("a", b"1"), house.message("a", b"2")])
    (first,) = await ear.wait(1)
    await first.ack()
    await ear.wait(2)
    await first.ack()
    await ear.heard[1].ack()
    await broker.publish([house.message("a", b"3")])
    await ear.wait(3)


async def test_after_a_cancel_nothing_arrives_and_acks_still_count(house: House) -> None:
    first, second, ear, rest = await house.broker(), await house.broker(), Ear(), Ear()
    await first.consume(house.one, ear, prefetch=10)
    await first.publish([house.message("a", b"before")])
    await ear.wait(1)
    await first.cancel(house.one)
    await first.publish([house.message("a", b"after")])
    await asyncio.sleep(SOON)
    assert ear.bodies() == [b"before"]
    assert not ear.heard[0].lost()
    await ear.ack_all()
    await asyncio.sleep(SOON)
    await first.stop()
    await second.consume(house.one, rest, prefetch=10)
    await rest.wait(1)
    await asyncio.sleep(SOON)
    assert rest.bodies() == [b"after"]


async def test_a_queue_that_was_cancelled_can_be_heard_again(house: House) -> None:
    broker, ear = await house.broker(), Ear()
    await broker.consume(house.one, ear, prefetch=10)
    await broker.cancel(house.one)
    await broker.cancel(house.one)
    await broker.publish([house.message("a")])
    await broker.consume(house.one, ear, prefetch=10)
    await ear.wait(1)


async def test_what_was_delivered_too_often_goes_to_the_dead_queue(house: House) -> None:
    """DELIVERY_LIMIT redeliveries, then one more loss."""
    speaker, deaths = await house.broker(), Ear()
    await speaker.consume(house.dead, deaths, prefetch=10)
    await speaker.publish([house.message("a", b"crashes whoever takes it")])
    for _ in range(DELIVERY_LIMIT + 1):
        assert deaths.heard == []
        broker, ear = await house.broker(), Ear()
        await broker.consume(house.one, ear, prefetch=10)
        await ear.wait(1)
        await broker.stop()
    await deaths.wait(1)
    assert deaths.bodies() == [b"crashes whoever takes it"]
    assert deaths.heard[0].headers["x-first-death-queue"] == house.one
    assert deaths.heard[0].routing_key == f"{house.one}.a"
    await deaths.ack_all()
    broker, ear = await house.broker(), Ear()
    await broker.consume(house.one, ear, prefetch=10)
    await asyncio.sleep(SOON)
    assert ear.heard == []


async def test_a_broker_that_was_stopped_refuses_and_says_so(house: House) -> None:
    broker = await house.broker()
    assert broker.connected()
    await broker.stop()
    assert not broker.connected()
    with pytest.raises(BrokerUnavailable):
        await broker.publish([house.message("a")])
    await broker.stop()


async def test_a_broker_that_never_started_refuses(house: House) -> None:
    broker = house.new()
    assert not broker.connected()
    with pytest.raises(BrokerUnavailable):
        await broker.publish([house.message("a")])


async def test_a_broker_can_be_started_again(house: House) -> None:
    broker, ear = await house.broker(), Ear()
    await broker.stop()
    await broker.start(house.queues)
    await broker.consume(house.one, ear, prefetch=10)
    await broker.publish([house.message("a")])
    await ear.wait(1)


async def test_a_receiver_that_raises_stops_nobody(house: House) -> None:
    broker, ear = await house.broker(), Ear()

    def receive(delivery: Delivery) -> None:
        ear(delivery)
        if delivery.body == b"bad":
            raise ValueError("a mistake in the receiver")

    await broker.consume(house.one, receive, prefetch=10)
    await broker.publish([house.message("a", b"bad")])
    await broker.publish([house.message("a", b"good")])
    await ear.wait(2)
