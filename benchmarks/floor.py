"""The least that the same durable steps cost: three hops, each one bulk write and one confirmed message for a batch, no domain logic.

A hop hears a message from its quorum queue, writes majority and journaled, publishes persistently, and acks when that is confirmed.
Each is a process of its own, like the services.
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aio_pika
import orjson
import uvloop
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage
from pymongo import AsyncMongoClient, WriteConcern
from pymongo.asynchronous.collection import AsyncCollection

from shared.ids import new_id

BATCH = 200
PREFETCH = 50
DATABASE = "benchmark_floor"
DURABLE = WriteConcern("majority", j=True)
OVER = "floor.over"
PATIENCE = 120.0

Documents = AsyncCollection[dict[str, Any]]
Write = Callable[[Documents, list[str]], Awaitable[object]]


async def _insert(documents: Documents, ids: list[str]) -> None:
    await documents.insert_many([{"_id": name, "state": "running", "epoch": 1} for name in ids], ordered=False)


async def _update(documents: Documents, ids: list[str]) -> None:
    await documents.update_many({"_id": {"$in": ids}, "phase": "ready"}, {"$set": {"phase": "completed"}})


@dataclass(frozen=True, slots=True)
class Hop:
    """From which queue, which write to which collection, to which queue."""

    hears: str
    collection: str
    write: Write
    says: str


HOPS = {
    "claim": Hop("floor.ready", "attempts", _insert, "floor.executed"),
    "judge": Hop("floor.executed", "verdicts", _insert, "floor.verified"),
    "complete": Hop("floor.verified", "tasks", _update, OVER),
}


class Floor:
    """Drives the three hops."""

    def __init__(self, tasks: Documents, channel: AbstractChannel) -> None:
        self._tasks = tasks
        self._channel = channel
        self._over: asyncio.Queue[int] = asyncio.Queue()

    async def listen(self) -> None:
        """Hear what the last hop says."""
        queue = await self._channel.get_queue(OVER)

        async def receive(message: AbstractIncomingMessage) -> None:
            self._over.put_nowait(len(orjson.loads(message.body)["ids"]))
            await message.ack()

        await queue.consume(receive)

    async def fan(self, width: int) -> float:
        """Seconds for `width` tasks, in batches."""
        ids = await self._planted(width)
        began = time.perf_counter()
        pages = [ids[at : at + BATCH] for at in range(0, width, BATCH)]
        await asyncio.gather(*(_say(self._channel, HOPS["claim"].hears, {"ids": page, "left": 0}) for page in pages))
        await self._all_over(width)
        return time.perf_counter() - began

    async def chain(self, length: int) -> float:
        """Milliseconds a link for `length` tasks, one after the other."""
        ids = await self._planted(length)
        began = time.perf_counter()
        await _say(self._channel, HOPS["claim"].hears, {"ids": ids[:1], "left": length - 1})
        await self._all_over(1)
        return (time.perf_counter() - began) * 1e3 / length

    async def _planted(self, count: int) -> list[str]:
        run = new_id()
        ids = [f"{run}.{number}" for number in range(count)]
        await self._tasks.insert_many([{"_id": name, "phase": "ready"} for name in ids])
        return ids

    async def _all_over(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while count > 0:
                count -= await self._over.get()


@asynccontextmanager
async def started(store_url: str, broker_url: str) -> AsyncIterator[Floor]:
    """The three hops as processes, on queues and a database of their own."""
    connection = await aio_pika.connect(broker_url)
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(store_url)
    async with connection, client:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        queues = [OVER, *(hop.hears for hop in HOPS.values())]
        for name in queues:
            await channel.declare_queue(name, durable=True, arguments={"x-queue-type": "quorum"})
        floor = Floor(client[DATABASE].get_collection("tasks", write_concern=DURABLE), channel)
        await floor.listen()
        hops = [await _spawn(name, store_url, broker_url) for name in HOPS]
        try:
            await floor.fan(BATCH)
            yield floor
        finally:
            for process in hops:
                process.kill()
                await process.wait()
            await channel.close()
            await _delete(connection, queues)
            await client.drop_database(DATABASE)


async def _delete(connection: AbstractConnection, queues: list[str]) -> None:
    """On a channel that hears none of them: else each would be reported as lost."""
    channel = await connection.channel()
    for name in queues:
        await channel.queue_delete(name)


async def _spawn(hop: str, store_url: str, broker_url: str) -> asyncio.subprocess.Process:
    environment = {**os.environ, "FLOOR_STORE_URL": store_url, "FLOOR_BROKER_URL": broker_url}
    return await asyncio.create_subprocess_exec(sys.executable, "-m", "benchmarks.floor", hop, env=environment)


async def _say(channel: AbstractChannel, queue: str, body: dict[str, Any]) -> None:
    message = aio_pika.Message(orjson.dumps(body), delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
    await channel.default_exchange.publish(message, routing_key=queue, timeout=10)


def _next(name: str) -> str:
    run, _, number = name.rpartition(".")
    return f"{run}.{int(number) + 1}"


async def _live(hop: Hop, *, ends_chain: bool) -> None:
    """One hop, for ever."""
    hearing, saying = await aio_pika.connect(os.environ["FLOOR_BROKER_URL"]), await aio_pika.connect(os.environ["FLOOR_BROKER_URL"])
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(os.environ["FLOOR_STORE_URL"])
    documents = client[DATABASE].get_collection(hop.collection, write_concern=DURABLE)
    says = await saying.channel(publisher_confirms=True, on_return_raises=True)
    hears = await hearing.channel(publisher_confirms=False)
    await hears.set_qos(prefetch_count=PREFETCH)

    async def receive(message: AbstractIncomingMessage) -> None:
        body = orjson.loads(message.body)
        await hop.write(documents, body["ids"])
        if ends_chain and body["left"]:
            await _say(says, HOPS["claim"].hears, {"ids": [_next(body["ids"][0])], "left": body["left"] - 1})
        else:
            await _say(says, hop.says, body)
        await message.ack()

    await (await hears.get_queue(hop.hears)).consume(receive)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_live(HOPS[sys.argv[1]], ends_chain=sys.argv[1] == "complete"))
