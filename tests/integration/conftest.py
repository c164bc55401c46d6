"""The two grounds that the life of a task is tested on: the in-memory twins, and a real RabbitMQ and MongoDB."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import aio_pika
import pytest

from shared.ids import new_id
from shared.memory.broker import MemoryBroker, MemoryExchange
from shared.memory.store import MemoryDatabase
from shared.messaging.rabbit import RabbitBroker
from shared.messaging.topology import queues
from shared.storage.mongo import MongoDatabase
from tests.integration.house import House, Parts

ENVIRONMENT = {
    "TASKGROVE_SEQUENCER_RETRY_BASE_SECONDS": "0.05",
    "TASKGROVE_EXECUTOR_CALLABLES": "tests.integration.chores",
    "TASKGROVE_EXECUTOR_SANDBOX": "process",
    "TASKGROVE_CHECKER_SANDBOX": "process",
}

Open = Callable[..., AbstractAsyncContextManager[House]]


@pytest.fixture(params=["memory", "real"], scope="module")
def make_parts(request: pytest.FixtureRequest) -> Callable[[], Parts]:
    """Broker and store of a house of its own; the twin's tests must not wait for the real parts."""
    if request.param == "memory":

        def twins() -> Parts:
            exchange, databases = MemoryExchange(), dict[str, MemoryDatabase]()
            return Parts(lambda _: MemoryBroker(exchange), lambda clock: databases.setdefault("one", MemoryDatabase(clock)))

        return twins
    broker: str = request.getfixturevalue("broker_url")
    store: str = request.getfixturevalue("store_url")

    def real() -> Parts:
        name = f"test_{new_id()}"
        return Parts(lambda service: RabbitBroker(broker, name=service), lambda clock: MongoDatabase(store, name, clock), broker)

    return real


@pytest.fixture(scope="module")
def open_house(make_parts: Callable[[], Parts], tmp_path_factory: pytest.TempPathFactory) -> Open:
    """How a house is opened; settings are environment variables, as in a deployment. `parts` may be wrapped by the test."""

    @asynccontextmanager
    async def opened(*, wrap: Callable[[Parts], Parts] = lambda parts: parts, **settings: str) -> AsyncIterator[House]:
        parts = make_parts()
        if parts.url:
            await _forget(parts.url)
        house = House(wrap(parts), tmp_path_factory.mktemp("house"))
        with pytest.MonkeyPatch.context() as environment:
            for name, value in (ENVIRONMENT | settings).items():
                environment.setenv(name, value)
            try:
                await house.start()
                yield house
            finally:
                await house.stop()

    return opened


@pytest.fixture(scope="module")
async def house(open_house: Open) -> AsyncIterator[House]:
    """One house for all tests of a file: their runs do not meet."""
    async with open_house() as house:
        yield house


@pytest.fixture
def trace(tmp_path: Path) -> str:
    """A file in which tasks note what they did."""
    return str(tmp_path / "trace")


async def _forget(url: str) -> None:
    """What other tests left in the queues is about tasks that this house does not know."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        for queue in queues():
            await channel.queue_delete(queue.name)
