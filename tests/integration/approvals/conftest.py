"""The approvals service over a real MongoDB and RabbitMQ, with a fresh database for each test."""

from collections.abc import AsyncIterator

import pytest

from shared.clock import ServerClock
from shared.messaging.rabbit import RabbitBroker
from shared.storage.mongo import MongoDatabase
from tests.unit.approvals.desk import Desk, open_desk


@pytest.fixture
async def desk(broker_url: str, store_url: str, store_name: str) -> AsyncIterator[Desk]:
    """One replica, with principals of every role."""
    clock = ServerClock()
    database = MongoDatabase(store_url, store_name, clock)
    async with open_desk(RabbitBroker(broker_url, name="approvals"), database, clock, tap=RabbitBroker(broker_url, name="tap")) as desk:
        yield desk
