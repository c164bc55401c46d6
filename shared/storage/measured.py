"""The port, with the time of each operation and its failures counted: around the real store and the twin alike."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Any

from shared.errors import StoreUnavailable
from shared.storage.port import Change, Collection, Database, Doc, Read, Schema, Update, Where
from shared.telemetry.metrics import OPERATIONS, ServiceMetrics


class Operation:
    """One of the port's operations: its clock and its failures."""

    def __init__(self, metrics: ServiceMetrics, name: str) -> None:
        self._seconds = metrics.storing.labels(name)
        self._failures = metrics.store_failures.labels(name)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Around one call."""
        began = perf_counter()
        try:
            yield
        except StoreUnavailable:
            self._failures.inc()
            raise
        finally:
            self._seconds.observe(perf_counter() - began)


class MeasuredDatabase:
    """A database whose collections are measured."""

    def __init__(self, inner: Database, metrics: ServiceMetrics) -> None:
        self.inner = inner
        self._operations = {name: Operation(metrics, name) for name in OPERATIONS}

    def __getitem__(self, name: str) -> Collection:
        return MeasuredCollection(self.inner[name], self._operations)

    async def read(self, reads: Sequence[Read]) -> list[list[Doc]]:
        with self._operations["read"].timed():
            return await self.inner.read(reads)

    async def ready(self) -> None:
        await self.inner.ready()

    async def ensure(self, schemas: Sequence[Schema]) -> None:
        await self.inner.ensure(schemas)

    async def close(self) -> None:
        await self.inner.close()


class MeasuredCollection:
    """One collection, measured."""

    def __init__(self, inner: Collection, operations: dict[str, Operation]) -> None:
        self.name = inner.name
        self.inner = inner
        self._timed = {name: operation.timed for name, operation in operations.items()}

    async def find(
        self, where: Where, fields: Sequence[str] = (), *, sort: Sequence[tuple[str, int]] = (), limit: int = 0, skip: int = 0
    ) -> list[Doc]:
        with self._timed["find"]():
            return await self.inner.find(where, fields, sort=sort, limit=limit, skip=skip)

    async def insert(self, docs: Sequence[Doc]) -> set[str]:
        with self._timed["insert"]():
            return await self.inner.insert(docs)

    async def update(self, where: Where, change: Change) -> int:
        with self._timed["update"]():
            return await self.inner.update(where, change)

    async def bulk(self, updates: Sequence[Update], *, relaxed: bool = False) -> int:
        with self._timed["bulk"]():
            return await self.inner.bulk(updates, relaxed=relaxed)

    async def take(self, where: Where, change: Change) -> Doc | None:
        with self._timed["take"]():
            return await self.inner.take(where, change)

    async def delete(self, where: Where) -> int:
        with self._timed["delete"]():
            return await self.inner.delete(where)

    async def count(self, where: Where) -> int:
        with self._timed["count"]():
            return await self.inner.count(where)

    async def count_by(self, where: Where, field: str) -> dict[Any, int]:
        with self._timed["count_by"]():
            return await self.inner.count_by(where, field)
