"""What waits on a connection to RabbitMQ that is lost: it ends with it, and a cancellation that somebody asked for stays one."""

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import pytest
from aio_pika.abc import AbstractIncomingMessage

from shared.messaging.link import Link, RabbitDelivery


class Stuck:
    """A message of the client library whose acks nobody takes any more."""

    def __init__(self) -> None:
        self.body = b"[]"
        self.routing_key = "task.verified"
        self.message_id = "m1"
        self.headers: Mapping[str, Any] = {}
        self.acks = 0

    async def ack(self) -> None:
        self.acks += 1
        await asyncio.get_running_loop().create_future()


def delivered(link: Link) -> tuple[Stuck, RabbitDelivery]:
    message = Stuck()
    return message, RabbitDelivery(cast("AbstractIncomingMessage", message), link)


async def test_acks_under_way_come_back_when_the_connection_is_lost_however_often_that_is_said() -> None:
    link = Link()
    message, delivery = delivered(link)
    acks = [asyncio.create_task(delivery.ack()) for _ in range(3)]
    while message.acks < len(acks):
        await asyncio.sleep(0)
    link.fail("closed")
    link.fail("closed again")
    await asyncio.wait_for(asyncio.gather(*acks), 5)
    link.fail("and again")
    assert link.reason == "closed"


async def test_an_ack_on_a_lost_connection_is_not_even_tried() -> None:
    link = Link()
    message, delivery = delivered(link)
    link.fail("closed")
    await asyncio.wait_for(delivery.ack(), 5)
    assert message.acks == 0


async def test_an_ack_that_is_cancelled_is_cancelled() -> None:
    message, delivery = delivered(Link())
    acking = asyncio.create_task(delivery.ack())
    while not message.acks:
        await asyncio.sleep(0)
    acking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await acking
