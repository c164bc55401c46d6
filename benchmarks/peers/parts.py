"""A private RabbitMQ and a private MongoDB for the peers that stand on them, the same that Taskgrove itself would start."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from taskgrove.local.mongod import Mongod
from taskgrove.local.parts import find_mongod, find_rabbitmq
from taskgrove.local.ports import assign
from taskgrove.local.rabbit import Rabbit


@dataclass(frozen=True, slots=True)
class Parts:
    """Where they listen."""

    broker_url: str
    store_url: str


@asynccontextmanager
async def started(root: Path) -> AsyncIterator[Parts]:
    """Both, with their data below `root`. Raises MissingPart where one of them is not to be had."""
    ports = assign(["mongod", "amqp", "dist", "epmd"], kept={})
    mongod = Mongod(find_mongod(), root / "mongod", port=ports.pop("mongod"), log=root / "mongod.log")
    rabbit = Rabbit(find_rabbitmq(), root / "rabbitmq", ports=ports, log=root / "rabbitmq.log")
    async with AsyncExitStack() as stack:
        for part in (mongod, rabbit):
            stack.push_async_callback(part.stop)
            await part.start()
        yield Parts(rabbit.url, mongod.url)
