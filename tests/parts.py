"""Broker and store for tests: those that the environment names, else programs of this machine, else containers, else a clear failure."""

import asyncio
import os
import time
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from shared.storage.prepare import prepare
from taskgrove.local.mongod import REPLICA_SET, Mongod
from taskgrove.local.parts import MONGO_IMAGE, RABBIT_IMAGE, Image, find_mongod, find_rabbitmq
from taskgrove.local.ports import assign
from taskgrove.local.rabbit import Rabbit

STORE = "TASKGROVE_TEST_STORE_URL"
BROKER = "TASKGROVE_TEST_BROKER_URL"


@asynccontextmanager
async def a_store(directory: Path) -> AsyncIterator[str]:
    """The URL of a real MongoDB replica set. Raises MissingPart where there is none to be had."""
    start = time.monotonic()
    if given := os.environ.get(STORE):
        print(f"\nMongoDB is the one that {STORE} names")
        yield given
        return
    part = find_mongod()
    if isinstance(part, Image):
        async with mongodb_container() as url:
            print(f"\nMongoDB took {time.monotonic() - start:.1f} s to start in a container")
            yield url
        return
    mongod = Mongod(part, directory / "mongod", port=assign(["mongod"], kept={})["mongod"], log=directory / "mongod.log")
    await mongod.start()
    print(f"\nmongod took {time.monotonic() - start:.1f} s to start")
    yield mongod.url
    await mongod.stop()


@asynccontextmanager
async def a_broker(directory: Path) -> AsyncIterator[str]:
    """The URL of a real RabbitMQ. Raises MissingPart where there is none to be had."""
    start = time.monotonic()
    if given := os.environ.get(BROKER):
        print(f"\nRabbitMQ is the one that {BROKER} names")
        yield given
        return
    part = find_rabbitmq()
    if isinstance(part, Image):
        async with rabbitmq_container() as url:
            print(f"\nRabbitMQ took {time.monotonic() - start:.1f} s to start in a container")
            yield url
        return
    ports = assign(["amqp", "dist", "epmd"], kept={})
    rabbit = Rabbit(part, directory / "rabbitmq", ports=ports, log=directory / "rabbitmq.log")
    await rabbit.start()
    print(f"\nRabbitMQ took {time.monotonic() - start:.1f} s to start")
    yield rabbit.url
    await rabbit.stop()


@asynccontextmanager
async def mongodb_container() -> AsyncIterator[str]:
    """MongoDB in a container of its own. The same port on both sides: a member of a replica set is known by one address."""
    _without_reaper()
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 (reads the environment at import)

    port = assign(["mongod"], kept={})["mongod"]
    command = ["mongod", "--port", str(port), "--replSet", REPLICA_SET, "--wiredTigerCacheSizeGB", "0.5"]
    container = DockerContainer(MONGO_IMAGE).with_command(command)
    container.ports[f"{port}/tcp"] = ("127.0.0.1", port)  # with_bind_ports knows no address
    await asyncio.to_thread(container.start)
    try:
        url = f"mongodb://127.0.0.1:{port}/?replicaSet={REPLICA_SET}"
        await asyncio.to_thread(prepare, url, database="test", root=None)
        yield url
    finally:
        await asyncio.to_thread(container.stop)


@asynccontextmanager
async def rabbitmq_container() -> AsyncIterator[str]:
    """RabbitMQ in a container of its own."""
    _without_reaper()
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # of testcontainers about itself
        from testcontainers.community.rabbitmq import RabbitMqContainer  # noqa: PLC0415 (reads the environment at import)

    container = RabbitMqContainer(RABBIT_IMAGE)
    try:
        await asyncio.to_thread(container.start)
        host, port = container.get_container_host_ip(), container.get_exposed_port(container.port)
        yield f"amqp://{container.username}:{container.password}@{host}:{port}/"
    finally:
        await asyncio.to_thread(container.stop)


def _without_reaper() -> None:
    """Its image would be one more to pull; what is started here is stopped here."""
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
