"""Broker and store of the integration tests, where this machine has neither as a program: in containers."""

import pytest

from shared.clock import ServerClock
from shared.messaging.rabbit import RabbitBroker
from shared.messaging.topology import queues
from shared.storage.mongo import MongoDatabase
from tests.parts import mongodb_container, rabbitmq_container

pytestmark = [pytest.mark.containers, pytest.mark.usefixtures("engine")]


async def test_a_store_in_a_container_takes_durable_writes(store_name: str) -> None:
    async with mongodb_container() as url:
        database = MongoDatabase(url, store_name, ServerClock())
        await database.ready()
        assert await database["things"].insert([{"_id": "one"}]) == set()
        assert await database["things"].count({}) == 1
        await database.close()


async def test_a_broker_in_a_container_has_our_queues() -> None:
    async with rabbitmq_container() as url:
        broker = RabbitBroker(url, name="test")
        await broker.start(queues())
        assert broker.connected()
        await broker.stop()
