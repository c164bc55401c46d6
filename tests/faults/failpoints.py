"""Points at which a process dies by kill -9: before and after everything that it does with broker and store. Only the launcher uses them.

Names: `<collection>.<operation>.before|after`, `store.ready|ensure.before|after`, `<event>.publish|ack.before|after`, `<event>.heard`.
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.messaging.port import Broker, Delivery, Message, Queue
from shared.storage.port import Change, Collection, Database, Doc, Read, Schema, Update, Where, one_by_one

if TYPE_CHECKING:
    from collections.abc import Iterator

KILL = "FAULTS_KILL"
RECORD = "FAULTS_RECORD"


@dataclass
class Points:
    """What this process passes. `kill`: the point at whose `hit`-th passing it dies; `record`: a file that gets every name once."""

    kill: str = ""
    hit: int = 1
    record: Path | None = None
    passed: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of_environment(cls) -> "Points":
        """As the rig set them: FAULTS_KILL is NAME:HIT."""
        kill, _, hit = os.environ.get(KILL, "").rpartition(":")
        record = os.environ.get(RECORD)
        return cls(kill, int(hit or 1), Path(record) if record else None)

    def at(self, name: str) -> None:
        """Here we are; it may be the end."""
        self.passed[name] += 1
        if self.record and self.passed[name] == 1:
            self._write(self.record, name)
        if name == self.kill and self.passed[name] == self.hit:
            if self.record:
                self._write(self.record, f"died {name} {os.getpid()} {time.time():.6f}")
            os.kill(os.getpid(), signal.SIGKILL)

    @contextmanager
    def around(self, *names: str) -> "Iterator[None]":
        """Before and after one operation; after one that failed as well."""
        for name in names:
            self.at(f"{name}.before")
        try:
            yield
        finally:
            for name in names:
                self.at(f"{name}.after")

    def _write(self, path: Path, line: str) -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")


class PointedDatabase:
    """A database that passes points."""

    def __init__(self, inner: Database, points: Points) -> None:
        self._inner = inner
        self._points = points

    def __getitem__(self, name: str) -> Collection:
        return PointedCollection(self._inner[name], self._points)

    async def read(self, reads: Sequence[Read]) -> list[list[Doc]]:
        return await one_by_one(self, reads)

    async def ready(self) -> None:
        with self._points.around("store.ready"):
            await self._inner.ready()

    async def ensure(self, schemas: Sequence[Schema]) -> None:
        with self._points.around("store.ensure"):
            await self._inner.ensure(schemas)

    async def close(self) -> None:
        await self._inner.close()


class PointedCollection:
    """A collection that passes points."""

    def __init__(self, inner: Collection, points: Points) -> None:
        self.name = inner.name
        self._inner = inner
        self._points = points

    async def find(
        self, where: Where, fields: Sequence[str] = (), *, sort: Sequence[tuple[str, int]] = (), limit: int = 0, skip: int = 0
    ) -> list[Doc]:
        with self._around("find"):
            return await self._inner.find(where, fields, sort=sort, limit=limit, skip=skip)

    async def insert(self, docs: Sequence[Doc]) -> set[str]:
        with self._around("insert"):
            return await self._inner.insert(docs)

    async def update(self, where: Where, change: Change) -> int:
        with self._around("update"):
            return await self._inner.update(where, change)

    async def bulk(self, updates: Sequence[Update], *, relaxed: bool = False) -> int:
        with self._around("bulk_relaxed" if relaxed else "bulk"):
            return await self._inner.bulk(updates, relaxed=relaxed)

    async def take(self, where: Where, change: Change) -> Doc | None:
        with self._around("take"):
            return await self._inner.take(where, change)

    async def delete(self, where: Where) -> int:
        with self._around("delete"):
            return await self._inner.delete(where)

    async def count(self, where: Where) -> int:
        with self._around("count"):
            return await self._inner.count(where)

    async def count_by(self, where: Where, field: str) -> dict[Any, int]:
        with self._around("count_by"):
            return await self._inner.count_by(where, field)

    def _around(self, operation: str) -> AbstractContextManager[None]:
        return self._points.around(f"{self.name}.{operation}")


class PointedBroker:
    """A broker that passes points."""

    def __init__(self, inner: Broker, points: Points) -> None:
        self._inner = inner
        self._points = points

    async def start(self, queues: Sequence[Queue]) -> None:
        with self._points.around("broker.start"):
            await self._inner.start(queues)

    async def publish(self, messages: Sequence[Message]) -> None:
        with self._points.around(*(f"{key}.publish" for key in dict.fromkeys(message.routing_key for message in messages))):
            await self._inner.publish(messages)

    async def consume(self, queue: str, receive: Callable[[Delivery], None], *, prefetch: int) -> None:
        def heard(delivery: Delivery) -> None:
            self._points.at(f"{delivery.routing_key}.heard")
            receive(PointedDelivery(delivery, self._points))

        await self._inner.consume(queue, heard, prefetch=prefetch)

    async def cancel(self, queue: str) -> None:
        await self._inner.cancel(queue)

    def connected(self) -> bool:
        return self._inner.connected()

    async def stop(self) -> None:
        await self._inner.stop()


class PointedDelivery:
    """A delivery whose ack passes points."""

    def __init__(self, inner: Delivery, points: Points) -> None:
        self._inner = inner
        self._points = points
        self.body = inner.body
        self.routing_key = inner.routing_key
        self.message_id = inner.message_id
        self.headers = inner.headers

    async def ack(self) -> None:
        with self._points.around(f"{self.routing_key}.ack"):
            await self._inner.ack()

    def lost(self) -> bool:
        return self._inner.lost()
