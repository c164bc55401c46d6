"""The approvals service over the in-memory broker and store."""

from collections.abc import AsyncIterator

import pytest

from shared.clock import ServerClock
from shared.memory.broker import MemoryBroker, MemoryExchange
from shared.memory.store import MemoryDatabase
from tests.unit.approvals.desk import Desk, open_desk


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    """One replica, with principals of every role."""
    exchange, clock = MemoryExchange(), ServerClock()
    async with open_desk(MemoryBroker(exchange), MemoryDatabase(clock), clock, tap=MemoryBroker(exchange)) as desk:
        yield desk
