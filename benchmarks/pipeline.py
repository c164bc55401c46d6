"""The delivery design without the product around it: sequencer, executor and checker as processes, durable and batched, nothing else.

Claims are inserts, ends and completions compare-and-set, readiness is one indexed probe a dependent, verdicts are documents; a lone
task goes at once, what waits goes together, at most 200 ids a message. There are no plans, API, contracts, logs, leases, retries or
sweeps, and it uses none of the product's code: so it stays what it is while the product changes.
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aio_pika
import orjson
import psutil
import uvloop
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from pymongo import AsyncMongoClient, UpdateOne, WriteConcern
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import BulkWriteError

DATABASE = "benchmark_pipeline"
COLLECTIONS = ("tasks", "attempts", "verdicts")
DURABLE = WriteConcern("majority", j=True)
READY, EXECUTED, VERIFIED, OVER = "pipeline.ready", "pipeline.executed", "pipeline.verified", "pipeline.over"
QUEUES = (READY, EXECUTED, VERIFIED, OVER)
MESSAGE, FLUSH, SAID = 200, 500, 2_000
PREFETCH = 20
LEASE_SECONDS, DUE_SECONDS = 60.0, 5.0
PATIENCE = 300.0
APART = 10_000_000
WARM_FAN, WARM_CHAIN = 200, 20

Documents = AsyncCollection[dict[str, Any]]
Item = int | str
Hear = Callable[[list[Any]], Awaitable[None]]


class Together:
    """What is given while a flush runs goes with the next one; who gave it waits for that."""

    def __init__(self, flush: Callable[[list[Any]], Awaitable[None]], most: int = FLUSH) -> None:
        self._flush = flush
        self._most = most
        self._waiting: list[tuple[Sequence[Item], asyncio.Future[None]]] = []
        self._flushing: asyncio.Task[None] | None = None

    def __call__(self, items: Sequence[Item]) -> "asyncio.Future[None]":
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((items, done))
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._run())
        return done

    async def _run(self) -> None:
        while self._waiting:
            size, taken = 0, 0
            while taken < len(self._waiting) and size < self._most:
                size += len(self._waiting[taken][0])
                taken += 1
            now, self._waiting = self._waiting[:taken], self._waiting[taken:]
            await self._flush([item for items, _ in now for item in items])
            for _, done in now:
                done.set_result(None)
        self._flushing = None


@dataclass(slots=True)
class Bus:
    """One connection for hearing and one for saying."""

    hearing: AbstractChannel
    saying: AbstractChannel
    queues: dict[str, Together] = field(default_factory=dict)

    def say(self, queue: str, ids: Sequence[Item]) -> "asyncio.Future[None]":
        """Done once the broker has confirmed all of them, persistent, in a quorum queue."""
        if queue not in self.queues:

            async def flush(items: list[Any]) -> None:
                await asyncio.gather(*(self._publish(queue, items[at : at + MESSAGE]) for at in range(0, len(items), MESSAGE)))

            self.queues[queue] = Together(flush, SAID)
        return self.queues[queue](ids)

    async def hear(self, name: str, handle: Hear) -> None:
        """A message is acked once it is handled."""

        async def receive(message: AbstractIncomingMessage) -> None:
            await handle(orjson.loads(message.body))
            await message.ack()

        await (await self.hearing.get_queue(name)).consume(receive)

    async def _publish(self, queue: str, ids: list[Any]) -> None:
        message = aio_pika.Message(orjson.dumps(ids), delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await self.saying.default_exchange.publish(message, routing_key=queue, timeout=5)


@dataclass(frozen=True, slots=True)
class Role:
    """What a process of the pipeline works with."""

    bus: Bus
    tasks: Documents
    attempts: Documents
    verdicts: Documents


async def sequencer(role: Role) -> None:
    """Completes what passed, and lets go what waited for it."""

    async def settle(ids: list[Any]) -> None:
        passed = [doc["_id"] async for doc in role.verdicts.find({"_id": {"$in": ids}, "passed": True}, {"_id": 1})]
        done = [int(attempt.partition(":")[0]) for attempt in passed]
        over = {"$set": {"phase": "completed", "done": True}, "$unset": {"due_at": 1}}
        await role.tasks.update_many({"_id": {"$in": done}, "phase": "ready"}, over)
        ends, waiting = [], set[int]()
        async for task in role.tasks.find({"_id": {"$in": done}}, {"dependents": 1}):
            waiting.update(task["dependents"])
            ends += [] if task["dependents"] else [task["_id"]]
        free = [name for name in waiting if await role.tasks.find_one({"dependents": name, "done": False}, {"_id": 1}) is None]
        if free:
            go = {"$set": {"phase": "ready", "due_at": time.time() + DUE_SECONDS}}
            await role.tasks.update_many({"_id": {"$in": free}, "phase": "blocked"}, go)
            await role.bus.say(READY, free)
        if ends:
            await role.bus.say(OVER, ends)

    await role.bus.hear(VERIFIED, Together(settle))


async def executor(role: Role) -> None:
    """Claims, does nothing, and says that it is done."""
    lost = set[int]()

    async def claim(ids: list[Any]) -> None:
        lease = time.time() + LEASE_SECONDS
        claims = [{"_id": f"{name}:1", "task": name, "state": "running", "lease": lease} for name in ids]
        try:
            await role.attempts.insert_many(claims, ordered=False)
        except BulkWriteError as error:
            lost.update(problem["op"]["task"] for problem in error.details["writeErrors"])

    async def finish(ids: list[Any]) -> None:
        ended = [({"_id": f"{name}:1", "state": "running"}, {"$set": {"state": "executed", "result": {"ok": name}}}) for name in ids]
        await role.attempts.bulk_write([UpdateOne(where, change) for where, change in ended], ordered=False)

    claims, finished = Together(claim), Together(finish)
    working = set[asyncio.Task[None]]()

    async def work(name: int) -> None:
        await finished([name])
        await role.bus.say(EXECUTED, [f"{name}:1"])

    async def on_ready(ids: list[Any]) -> None:
        await claims(ids)
        for name in ids:
            if name not in lost:
                task = asyncio.create_task(work(name))
                working.add(task)
                task.add_done_callback(working.discard)

    await role.bus.hear(READY, on_ready)


async def checker(role: Role) -> None:
    """Passes what has a result."""

    async def judge(ids: list[Any]) -> None:
        ended = [doc async for doc in role.attempts.find({"_id": {"$in": ids}, "state": "executed"}, {"result": 1})]
        verdicts = [{"_id": doc["_id"], "passed": doc["result"]["ok"] is not None} for doc in ended]
        await role.verdicts.insert_many(verdicts, ordered=False)
        await role.bus.say(VERIFIED, [doc["_id"] for doc in ended])

    await role.bus.hear(EXECUTED, Together(judge))


ROLES = {"sequencer": sequencer, "executor": executor, "checker": checker}


@dataclass(slots=True)
class Pipeline:
    """Drives the three. `processes`: to see what each costs."""

    tasks: Documents
    bus: Bus
    processes: Mapping[str, psutil.Process]
    over: asyncio.Queue[int] = field(default_factory=asyncio.Queue)
    runs: int = 0

    async def fan(self, width: int) -> float:
        """Seconds for `width` tasks and the one that joins them."""
        first = self._place()
        join = {"_id": first + width, "phase": "blocked", "done": False, "dependents": []}
        tasks = [{"_id": first + at, "phase": "ready", "done": False, "dependents": [first + width]} for at in range(width)]
        await self.tasks.insert_many([*tasks, join])
        return await self._timed(list(range(first, first + width)), end=first + width)

    async def chain(self, length: int) -> float:
        """Milliseconds a link for `length` tasks, one after the other, and one that ends them."""
        first = self._place()
        tasks = [
            {"_id": first + at, "phase": "blocked" if at else "ready", "done": False, "dependents": [first + at + 1]}
            for at in range(length)
        ]
        await self.tasks.insert_many([*tasks, {"_id": first + length, "phase": "blocked", "done": False, "dependents": []}])
        return await self._timed([first], end=first + length) * 1e3 / (length + 1)

    async def _timed(self, ready: list[int], *, end: int) -> float:
        began = time.perf_counter()
        await self.bus.say(READY, ready)
        async with asyncio.timeout(PATIENCE):
            while await self.over.get() != end:
                continue
        return time.perf_counter() - began

    def _place(self) -> int:
        self.runs += 1
        return self.runs * APART


@asynccontextmanager
async def started(store_url: str, broker_url: str) -> AsyncIterator[Pipeline]:
    """The three as processes, warm, on queues and a database of their own, which go afterwards."""
    async with _open(store_url, broker_url) as role:
        for name in QUEUES:
            await role.bus.hearing.declare_queue(name, durable=True, arguments={"x-queue-type": "quorum"})
        await role.tasks.create_index([("dependents", 1), ("done", 1)])
        children = {name: await _spawn(name, store_url, broker_url) for name in ROLES}
        pipeline = Pipeline(role.tasks, role.bus, {name: psutil.Process(child.pid) for name, child in children.items()})

        async def hear(ids: list[Any]) -> None:
            for name in ids:
                pipeline.over.put_nowait(name)

        await role.bus.hear(OVER, hear)
        try:
            await pipeline.fan(WARM_FAN)
            await pipeline.chain(WARM_CHAIN)
            yield pipeline
        finally:
            for child in children.values():
                child.kill()
                await child.wait()
    await _forget(store_url, broker_url)


@asynccontextmanager
async def _open(store_url: str, broker_url: str) -> AsyncIterator[Role]:
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(store_url)
    async with client, await aio_pika.connect(broker_url) as hears, await aio_pika.connect(broker_url) as says:
        hearing = await hears.channel(publisher_confirms=False)
        await hearing.set_qos(prefetch_count=PREFETCH)
        saying = await says.channel(publisher_confirms=True, on_return_raises=True)
        tasks, attempts, verdicts = (client[DATABASE].get_collection(name, write_concern=DURABLE) for name in COLLECTIONS)
        yield Role(Bus(hearing, saying), tasks, attempts, verdicts)


async def _forget(store_url: str, broker_url: str) -> None:
    async with AsyncMongoClient[dict[str, Any]](store_url) as client, await aio_pika.connect(broker_url) as connection:
        channel = await connection.channel()
        for name in QUEUES:
            await channel.queue_delete(name)
        await client.drop_database(DATABASE)


async def _spawn(role: str, store_url: str, broker_url: str) -> asyncio.subprocess.Process:
    environment = {**os.environ, "PIPELINE_STORE_URL": store_url, "PIPELINE_BROKER_URL": broker_url}
    return await asyncio.create_subprocess_exec(sys.executable, "-m", "benchmarks.pipeline", role, env=environment)


async def _live(name: str) -> None:
    """One role, for ever."""
    async with _open(os.environ["PIPELINE_STORE_URL"], os.environ["PIPELINE_BROKER_URL"]) as role:
        await ROLES[name](role)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_live(sys.argv[1]))
