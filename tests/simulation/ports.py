"""Broker and store as a process sees them: the twins at the far end of a line on which anything can happen.

A request travels, is carried out at the far end, and its answer travels back. A process that dies meanwhile stops neither of them.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from shared.errors import BrokerUnavailable, StoreUnavailable, Unavailable
from shared.memory.broker import MemoryBroker
from shared.messaging.port import Delivery, Message, Queue
from shared.storage.port import Change, Collection, Doc, Read, Schema, Update, Where, one_by_one

if TYPE_CHECKING:
    from tests.simulation.world import Process

Step = Callable[[], Any]
Parts = Callable[[], Sequence[Step]]


def now_done(operation: Coroutine[Any, Any, Any]) -> Any:
    """The result of a twin's operation, at once: it yields without waiting for anything."""
    try:
        while True:
            operation.send(None)
    except StopIteration as stop:
        return stop.value


class Line:
    """A process's way to one far end. `error` is what the process gets when that cannot be reached."""

    def __init__(self, process: "Process", error: type[Unavailable]) -> None:
        self._process = process
        self._world = process.world
        self._error = error

    def away(self) -> bool:
        """Whether the far end cannot be reached now."""
        raise NotImplementedError

    async def ask(self, what: str, steps: Sequence[Step], *, writes: bool, parts: Parts | None = None) -> list[Any]:
        """The results of all steps, carried out together unless a fault tears them apart: then as `parts`, if there are any."""
        process, world = self._process, self._world
        fault = world.faults.at_io(writes=writes, service=process.service, where=f"{process.name} {what}", now=world.loop.time())
        if fault == "crash before":
            world.crash(process, why=what)
            await world.loop.create_future()
        answer: asyncio.Future[list[Any]] = world.loop.create_future()
        request = Request(self, answer, what, steps=steps, fault=fault, parts=parts)
        world.loop.call_later(world.travel(slow=fault == "slow"), request.arrive, context=world.context)
        return await answer

    def unavailable(self, what: str) -> Exception:
        """What the process is told."""
        return self._error(f"{what}: simulated")


class Request:
    """One request on its way."""

    def __init__(
        self, line: Line, answer: "asyncio.Future[list[Any]]", what: str, *, steps: Sequence[Step], fault: str | None, parts: Parts | None
    ) -> None:
        self._line = line
        self._process = line._process  # noqa: SLF001
        self._world = line._world  # noqa: SLF001
        self._answer = answer
        self._what = what
        self._steps = list(steps)
        self._parts = parts
        self._fault = fault
        self._results: list[Any] = []

    def arrive(self) -> None:
        """At the far end: carry it out, as far as the fault allows, and answer."""
        world = self._world
        if self._line.away() or self._fault in ("not done", "hung"):
            self._reply(self._line.unavailable(self._what), later=world.patience(hung=self._fault == "hung"))
            return
        if self._fault == "torn" and self._parts:
            self._steps, self._parts = list(self._parts()), None
        torn = self._fault == "torn" and len(self._steps) > 1
        done = self._steps[: world.random.randint(1, len(self._steps) - 1)] if torn else self._steps
        try:
            self._results += [step() for step in done]
        except Exception as error:  # noqa: BLE001 (it belongs to whoever asked)
            self._reply(error)
            return
        world.note(self._process.name, self._what, self._fault or "")
        if torn:
            self._steps = self._steps[len(done) :]
            self._rest()
        elif self._fault == "crash after":
            world.crash(self._process, why=self._what)
        elif self._fault == "done but unknown":
            self._reply(self._line.unavailable(self._what), later=world.patience())
        else:
            self._reply(None)

    def _rest(self) -> None:
        """The rest comes later, or never."""
        world = self._world
        if world.random.random() < 0.5:
            self._fault = None
            world.loop.call_later(world.travel(slow=False), self.arrive, context=world.context)
        else:
            self._reply(self._line.unavailable(self._what), later=world.patience())

    def _reply(self, error: Exception | None, later: float = 0.0) -> None:
        world = self._world
        world.loop.call_later(later + world.travel(slow=False), self._settle, error, context=world.context)

    def _settle(self, error: Exception | None) -> None:
        if not self._answer.done():
            if error:
                self._answer.set_exception(error)
            else:
                self._answer.set_result(self._results)


class SimulatedDatabase(Line):
    """The store, for one process."""

    def __init__(self, process: "Process") -> None:
        super().__init__(process, StoreUnavailable)

    def away(self) -> bool:
        return self._world.store_away > 0 or self._process.cut_off

    def __getitem__(self, name: str) -> Collection:
        return SimulatedCollection(self, self._world.store[name])

    async def read(self, reads: Sequence[Read]) -> list[list[Doc]]:
        return await one_by_one(self, reads)

    async def ready(self) -> None:
        (now,) = await self.ask("store.ready", [self._world.server_now], writes=False)
        self._process.clock.set(now)

    async def ensure(self, schemas: Sequence[Schema]) -> None:
        await self.ask("store.ensure", [lambda: now_done(self._world.store.ensure(schemas))], writes=False)

    async def close(self) -> None:
        """Nothing is held."""


class SimulatedCollection:
    """One collection, for one process."""

    def __init__(self, line: SimulatedDatabase, inner: Collection) -> None:
        self.name = inner.name
        self._inner = inner
        self._line = line

    async def find(
        self, where: Where, fields: Sequence[str] = (), *, sort: Sequence[tuple[str, int]] = (), limit: int = 0, skip: int = 0
    ) -> list[Doc]:
        found: list[Doc] = await self._read("find", lambda: self._inner.find(where, fields, sort=sort, limit=limit, skip=skip))
        return found

    async def insert(self, docs: Sequence[Doc]) -> set[str]:
        lost = await self._write("insert", [lambda doc=doc: self._inner.insert([doc]) for doc in docs])  # type: ignore[misc]
        return {name for names in lost for name in names}

    async def update(self, where: Where, change: Change) -> int:
        return await self.bulk([Update(where, change)])

    async def bulk(self, updates: Sequence[Update], *, relaxed: bool = False) -> int:  # noqa: ARG002 (here every write lasts)
        """One update of many documents is no more atomic than many updates are."""

        def parts() -> list[Step]:
            alone = [
                Update({**one.where, "_id": doc["_id"]}, one.change)
                for one in updates
                for doc in now_done(self._inner.find(one.where, ("_id",)))
            ]
            return [lambda one=one: now_done(self._inner.bulk([one])) for one in alone]  # type: ignore[misc]

        whole = [lambda one=one: self._inner.bulk([one]) for one in updates]  # type: ignore[misc]
        return sum(await self._write("update", whole, parts=None if any(one.upsert for one in updates) else parts))

    async def take(self, where: Where, change: Change) -> Doc | None:
        (found,) = await self._write("take", [lambda: self._inner.take(where, change)])
        return found  # type: ignore[no-any-return]

    async def delete(self, where: Where) -> int:
        (gone,) = await self._write("delete", [lambda: self._inner.delete(where)])
        return int(gone)

    async def count(self, where: Where) -> int:
        return int(await self._read("count", lambda: self._inner.count(where)))

    async def count_by(self, where: Where, field: str) -> dict[Any, int]:
        counted: dict[Any, int] = await self._read("count_by", lambda: self._inner.count_by(where, field))
        return counted

    async def _read(self, name: str, operation: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        (found,) = await self._line.ask(f"{self.name}.{name}", [lambda: now_done(operation())], writes=False)
        return found

    async def _write(
        self, name: str, operations: Sequence[Callable[[], Coroutine[Any, Any, Any]]], *, parts: Parts | None = None
    ) -> list[Any]:
        steps = [lambda operation=operation: now_done(operation()) for operation in operations]  # type: ignore[misc]
        return await self._line.ask(f"{self.name}.{name}", steps, writes=True, parts=parts) if steps else []


class SimulatedBroker(Line):
    """The broker, for one process: it connects again whenever it is cut off."""

    def __init__(self, process: "Process") -> None:
        super().__init__(process, BrokerUnavailable)
        self._inner: MemoryBroker | None = None
        self._heard: dict[str, tuple[Callable[[Delivery], None], int]] = {}
        self._queues: Sequence[Queue] = ()
        self._stopped = False
        self._can_publish = False

    def away(self) -> bool:
        return self._world.broker_away > 0 or not self._can_publish

    async def start(self, queues: Sequence[Queue]) -> None:
        self._queues = queues
        while self._inner is None:
            self._world.loop.call_later(self._world.travel(slow=False), self._connect, context=self._world.context)
            await asyncio.sleep(self._world.patience())

    async def publish(self, messages: Sequence[Message]) -> None:
        said = ", ".join(dict.fromkeys(message.routing_key for message in messages))
        await self.ask(f"publish {said}", [lambda one=one: self._publish(one) for one in messages], writes=True)  # type: ignore[misc]

    async def consume(self, queue: str, receive: Callable[[Delivery], None], *, prefetch: int) -> None:
        """Where that fails, connecting again does it: as in the real one, nobody is told."""
        self._heard[queue] = (receive, prefetch)
        with suppress(BrokerUnavailable):
            await self.ask(f"consume {queue}", [lambda: self._hear(queue)], writes=False)
            return
        self._world.loop.call_soon(self.cut, context=self._world.context)

    async def cancel(self, queue: str) -> None:
        self._heard.pop(queue, None)
        if self._inner:
            now_done(self._inner.cancel(queue))

    def connected(self) -> bool:
        return self._inner is not None

    async def stop(self) -> None:
        self._stopped = True
        self._world.loop.call_soon(self.cut, context=self._world.context)

    def cut(self, *, both: bool = True) -> None:
        """The connection for hearing is gone, or `both`: what was not acked goes back to its queue. Called from outside."""
        self._can_publish = self._can_publish and not both
        if self._inner:
            now_done(self._inner.stop())
            self._inner = None
        if not self._stopped and not self._process.dead:
            self._world.loop.call_later(self._world.patience(), self._connect, context=self._world.context)

    def _connect(self) -> None:
        world = self._world
        if self._inner or self._stopped or self._process.dead:
            return
        if world.broker_away:
            world.loop.call_later(world.patience(), self._connect, context=world.context)
            return
        self._can_publish = True
        self._inner = MemoryBroker(world.exchange)
        now_done(self._inner.start(self._queues))
        for queue in self._heard:
            self._hear(queue)

    def _hear(self, queue: str) -> None:
        """Nothing when the connection was lost, or the queue given up, while this was on its way: connecting hears all that is wanted."""
        if self._inner and queue in self._heard:
            receive, prefetch = self._heard[queue]

            def arrive(delivery: Delivery) -> None:
                world = self._world
                there = SimulatedDelivery(self._process, delivery)
                world.loop.call_later(world.travel(slow=False), receive, there, context=self._process.context)

            now_done(self._inner.consume(queue, arrive, prefetch=prefetch))

    def _publish(self, message: Message) -> None:
        world = self._world
        match world.faults.at_message(message.routing_key, world.loop.time()):
            case "dropped":
                world.note("broker", f"dropped {message.routing_key}", "dropped")
            case "duplicated":
                self._route(message)
                world.loop.call_later(world.travel(slow=True), self._route, message, context=world.context)
            case "delayed":
                world.loop.call_later(world.travel(slow=True), self._route, message, context=world.context)
            case _:
                self._route(message)

    def _route(self, message: Message) -> None:
        if not self._world.exchange.route(message):
            raise BrokerUnavailable(f"no queue is bound to {message.routing_key}")


class SimulatedDelivery:
    """A message at a process. Its ack travels, too, and is not answered."""

    def __init__(self, process: "Process", inner: Delivery) -> None:
        self._process = process
        self._inner = inner
        self.body = inner.body
        self.routing_key = inner.routing_key
        self.message_id = inner.message_id
        self.headers: Mapping[str, object] = inner.headers

    async def ack(self) -> None:
        world = self._process.world
        what = f"ack {self.routing_key}"
        fault = world.faults.at_io(writes=True, service=self._process.service, where=f"{self._process.name} {what}", now=world.loop.time())
        if fault == "crash before":
            world.crash(self._process, why=what)
            await world.loop.create_future()
        world.loop.call_later(world.travel(slow=False), self._acked, context=world.context)
        if fault == "crash after":
            world.crash(self._process, why=what)
            await world.loop.create_future()

    def lost(self) -> bool:
        return self._inner.lost()

    def _acked(self) -> None:
        now_done(self._inner.ack())
