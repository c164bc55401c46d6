"""Each service may write its slice of the store, hear its queue and say its events; MongoDB and RabbitMQ refuse it everything else."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit, urlunsplit

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from aiormq.exceptions import ChannelAccessRefused, ProbableAuthenticationError
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import OperationFailure

from shared.contracts.base import PREFIX
from shared.messaging.definitions import PUBLISHER, SERVICES
from shared.messaging.topology import DEAD_EXCHANGE, DEAD_QUEUE, EXCHANGE, events, own_queues, queues
from shared.storage.slices import APPENDS, SLICES
from taskgrove.local.home import Home
from tests.e2e.grove import Grove

UNAUTHORIZED = 13
COLLECTIONS = sorted({name for one in SLICES.values() for name in one.owns})
NEVER = {"_id": "a document that no test and no service makes"}

Things = AsyncCollection[dict[str, object]]
WRITING: dict[str, Callable[[Things], Awaitable[object]]] = {
    "insert": lambda things: things.insert_one({"_id": "test_privileges"}),
    "update": lambda things: things.update_one(NEVER, {"$set": {"changed": True}}),
    "delete": lambda things: things.delete_one(NEVER),
    "index": lambda things: things.create_index([("test_privileges", 1)]),
    "drop": lambda things: things.drop(),
}


def url_of(grove: Grove, user: str, url: str) -> str:
    """The same broker or store, as somebody else."""
    password = json.loads(Home(grove.root).credentials.read_text(encoding="utf-8"))[user]
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{user}:{password}@{parts.hostname}:{parts.port}"))


@asynccontextmanager
async def channel_of(grove: Grove, user: str) -> AsyncIterator[AbstractChannel]:
    """One channel of a user's, with confirms."""
    async with await aio_pika.connect(url_of(grove, user, grove.state.broker_url)) as connection, connection.channel() as channel:
        yield channel


async def refused_by_the_store(asked: Awaitable[object]) -> None:
    with pytest.raises(OperationFailure) as raised:
        await asked
    assert raised.value.code == UNAUTHORIZED, raised.value


async def refused_by_the_broker(grove: Grove, user: str, ask: Callable[[AbstractChannel], Awaitable[object]]) -> None:
    with pytest.raises(ChannelAccessRefused):
        async with channel_of(grove, user) as channel:
            await ask(channel)


async def say(channel: AbstractChannel, exchange: str, key: str) -> None:
    """Put nonsense there; whoever may not say the key must not get as far as to have it refused as nonsense."""
    there = await channel.get_exchange(exchange, ensure=False)
    await there.publish(aio_pika.Message(b"", delivery_mode=1), key, timeout=10)


@pytest.mark.parametrize("service", SERVICES)
async def test_no_service_writes_what_another_owns(grove: Grove, service: str) -> None:
    mine = SLICES[service]
    async with AsyncMongoClient[dict[str, object]](url_of(grove, service, grove.state.store_url)) as mongo:
        database = mongo[grove.state.store_name]
        for name in (*COLLECTIONS, "anything"):
            for what, write in WRITING.items():
                if name in mine.owns or what in APPENDS.get(name, ()):
                    continue
                await refused_by_the_store(write(database[name]))
        await refused_by_the_store(mongo["another"]["things"].insert_one({}))
        await refused_by_the_store(mongo.admin.command("createUser", "second", pwd="second", roles=[]))  # noqa: S106


@pytest.mark.parametrize("service", SERVICES)
async def test_each_reads_what_it_needs_and_nothing_else(grove: Grove, service: str) -> None:
    mine = SLICES[service]
    async with AsyncMongoClient[dict[str, object]](url_of(grove, service, grove.state.store_url)) as mongo:
        for name in COLLECTIONS:
            asked = mongo[grove.state.store_name][name].find_one(NEVER)
            if name in (*mine.owns, *mine.reads):
                assert await asked is None
            else:
                await refused_by_the_store(asked)


@pytest.mark.parametrize("service", SERVICES)
async def test_no_service_says_the_events_of_another(grove: Grove, service: str) -> None:
    foreign = [event.name for event in events() if event.said_by != service]
    assert foreign
    if service == "approvals":
        foreign = []  # what lies in quarantine is said again by it, whatever it is
    for key in (*foreign, *([] if service == "approvals" else [PREFIX, "unheard.of"])):
        await refused_by_the_broker(grove, service, lambda channel, key=key: say(channel, EXCHANGE, key))  # type: ignore[misc]
    await refused_by_the_broker(grove, service, lambda channel: say(channel, DEAD_EXCHANGE, "task.ready"))
    for queue in queues():
        await refused_by_the_broker(grove, service, lambda channel, name=queue.name: say(channel, "", name))  # type: ignore[misc]


@pytest.mark.parametrize("service", SERVICES)
async def test_no_service_touches_the_queue_of_another(grove: Grove, service: str) -> None:
    async def hear(channel: AbstractChannel, name: str) -> None:
        queue = await channel.get_queue(name, ensure=False)
        await queue.get(fail=False)

    async def purge(channel: AbstractChannel, name: str) -> None:
        await (await channel.get_queue(name, ensure=False)).purge()

    async def delete(channel: AbstractChannel, name: str) -> None:
        await channel.queue_delete(name)

    foreign = [queue.name for queue in queues() if queue.name not in own_queues(service)]
    assert len(foreign) >= len(SERVICES) - 1
    for name in foreign:
        for do in (hear, purge, delete):
            await refused_by_the_broker(grove, service, lambda channel, do=do, name=name: do(channel, name))  # type: ignore[misc]
    await refused_by_the_broker(grove, service, lambda channel: channel.declare_queue("another", durable=True))
    await refused_by_the_broker(grove, service, lambda channel: channel.exchange_delete(EXCHANGE))


async def test_no_service_listens_to_what_it_need_not_hear(grove: Grove) -> None:
    async def listen(channel: AbstractChannel, queue: str, key: str) -> None:
        await (await channel.get_queue(queue, ensure=False)).bind(await channel.get_exchange(EXCHANGE, ensure=False), key)

    for event in events():
        for service in SERVICES:
            # Not by its own queue; nor, what it does hear, by the queue of dead letters, to which it must be able to send some.
            queue = DEAD_QUEUE if service in event.heard_by else f"taskgrove.{service}"
            if (service, queue) != ("approvals", DEAD_QUEUE):
                await refused_by_the_broker(
                    grove,
                    service,
                    lambda channel, queue=queue, key=event.name: listen(channel, queue, key),  # type: ignore[misc]
                )


async def test_a_publisher_starts_runs_and_does_nothing_else(grove: Grove) -> None:
    assert urlsplit(grove.state.publisher_url).username == PUBLISHER
    for event in events():
        if event.name != "task.submitted":
            await refused_by_the_broker(grove, PUBLISHER, lambda channel, key=event.name: say(channel, EXCHANGE, key))  # type: ignore[misc]
    await refused_by_the_broker(grove, PUBLISHER, lambda channel: channel.declare_queue("", exclusive=True))


async def test_nobody_comes_in_without_a_name(grove: Grove) -> None:
    with pytest.raises(ProbableAuthenticationError):
        await aio_pika.connect(f"amqp://guest:guest@127.0.0.1:{urlsplit(grove.state.broker_url).port}/")
    async with AsyncMongoClient[dict[str, object]]("127.0.0.1", urlsplit(grove.state.store_url).port, directConnection=True) as mongo:
        await refused_by_the_store(mongo[grove.state.store_name]["tasks"].find_one({}))


async def test_who_may_read_the_passwords(grove: Grove) -> None:
    home = Home(grove.root)
    assert home.credentials.stat().st_mode & 0o077 == 0
    assert home.state.stat().st_mode & 0o077 == 0
    assert (home.root / "rabbitmq" / "definitions.json").stat().st_mode & 0o077 == 0
