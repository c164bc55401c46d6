"""The store's twin: the port over dictionaries. Ids that a filter names, ranges of ids, and indexed fields are served without a scan."""

import asyncio
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.clock import Clock
from shared.errors import BadInput
from shared.memory.changes import Step, changed, fresh, prepared, project
from shared.memory.query import MISSING, array_in, leaves, matches, resolved, sort_value
from shared.memory.values import stored
from shared.storage.language import check_docs, check_grouping, check_reading, check_reads, check_update, check_where
from shared.storage.port import Change, Collection, Doc, Index, Read, Schema, Update, Where, one_by_one

EXPIRY = timedelta(seconds=60)


class MemoryDatabase:
    """All collections of one process. Nothing survives it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._collections: dict[str, MemoryCollection] = {}

    def __getitem__(self, name: str) -> Collection:
        return self._collection(name)

    async def read(self, reads: Sequence[Read]) -> list[list[Doc]]:
        check_reads(reads)
        return await one_by_one(self, reads)

    async def ready(self) -> None:
        """It is always ready."""

    async def ensure(self, schemas: Sequence[Schema]) -> None:
        for schema in schemas:
            for index in schema.indexes:
                if isinstance(index.keys[0][1], int) and index.keys[0][0] != "_id":
                    self._collection(schema.name).index(index)

    async def close(self) -> None:
        """Nothing is held."""

    def _collection(self, name: str) -> "MemoryCollection":
        return self._collections.setdefault(name, MemoryCollection(name, self._clock))


class MemoryCollection:
    """One collection. Every operation yields once first, as a round trip would, and is atomic after that."""

    def __init__(self, name: str, clock: Clock) -> None:
        self.name = name
        self._clock = clock
        self._docs: dict[str, Doc] = {}
        self._ids: list[str] | None = []
        self._indexes: dict[str, dict[Any, dict[str, None]]] = {}
        self._unique: dict[tuple[str, ...], bool] = {}
        self._expiring: dict[str, timedelta] = {}
        self._looked_at = datetime.min.replace(tzinfo=UTC)

    def index(self, index: Index) -> None:
        """Serve filters on its first field from now on without a scan; a unique one also refuses, and one that expires also deletes."""
        field = index.keys[0][0]
        if field not in self._indexes:
            self._indexes[field] = defaultdict(dict)
            for doc in self._docs.values():
                self._enter(doc, (field,))
        if index.unique:
            self._unique[tuple(key for key, _ in index.keys)] = index.partial
        if index.expire_after is not None:
            self._expiring[field] = timedelta(seconds=index.expire_after)

    async def find(
        self, where: Where, fields: Sequence[str] = (), *, sort: Sequence[tuple[str, int]] = (), limit: int = 0, skip: int = 0
    ) -> list[Doc]:
        check_reading(fields, sort, limit=limit, skip=skip)
        await asyncio.sleep(0)
        found = self._matching(where)
        if len(sort) > 1 and any(len({array_in(doc, key) for key, _ in sort} - {None}) > 1 for doc in found):
            raise BadInput("documents cannot be sorted by two arrays")
        for key, direction in reversed(sort):
            found.sort(key=lambda doc: sort_value(doc, key, direction), reverse=direction < 0)
        return [project(doc, fields) for doc in found[skip : skip + limit if limit else None]]

    async def insert(self, docs: Sequence[Doc]) -> set[str]:
        check_docs(docs)
        await asyncio.sleep(0)
        lost = set()
        for doc in [stored(doc) for doc in docs]:
            if doc["_id"] in self._docs or self._taken(doc):
                lost.add(doc["_id"])
            else:
                self._keep(doc)
        return lost

    async def update(self, where: Where, change: Change) -> int:
        return await self.bulk([Update(where, change)])

    async def bulk(self, updates: Sequence[Update], *, relaxed: bool = False) -> int:  # noqa: ARG002 (here every write lasts as long as the process)
        for update in updates:
            check_update(update)
        await asyncio.sleep(0)
        now = self._clock.now()
        steps = [prepared(update.change, now) for update in updates]
        return sum(self._update(update, how, now=now) for update, how in zip(updates, steps, strict=True))

    async def take(self, where: Where, change: Change) -> Doc | None:
        check_update(Update(where, change))
        await asyncio.sleep(0)
        steps = prepared(change, self._clock.now())
        for doc in self._matching(where)[:1]:
            self._replace(doc, changed(doc, steps))
            return project(self._docs[doc["_id"]], ())
        return None

    async def delete(self, where: Where) -> int:
        await asyncio.sleep(0)
        found = self._matching(where)
        for doc in found:
            self._remove(doc)
        return len(found)

    async def count(self, where: Where) -> int:
        await asyncio.sleep(0)
        return len(self._matching(where))

    async def count_by(self, where: Where, field: str) -> dict[Any, int]:
        check_grouping(field)
        await asyncio.sleep(0)
        return dict(Counter(doc.get(field) for doc in self._matching(where)))

    def _update(self, update: Update, steps: Sequence[Step], *, now: datetime) -> int:
        found = self._matching(update.where)
        for doc in found:
            self._replace(doc, changed(doc, steps))
        if found or not update.upsert:
            return len(found)
        how = {operator: fields for operator, fields in update.change.items() if operator != "$setOnInsert"}
        on_insert = {"$set": {**update.change.get("$setOnInsert", {}), **how.get("$set", {})}}
        made = changed(fresh(resolved(update.where, now)), prepared({**how, **on_insert}, now))
        if made["_id"] in self._docs:
            return 0
        self._refuse_taken(made)
        self._keep(made)
        return 1

    def _keep(self, doc: Doc) -> None:
        self._docs[doc["_id"]] = {"_id": doc["_id"], **doc}
        self._ids = None
        self._enter(doc, self._indexes)

    def _taken(self, doc: Doc) -> bool:
        """Whether another document has what only one may have. What is missing counts as null, unless the index is partial."""
        for keys, partial in self._unique.items():
            if partial and keys[0] not in doc:
                continue
            others = self._matching({key: {"$eq": doc.get(key)} for key in keys})
            if any(other["_id"] != doc["_id"] and (not partial or keys[0] in other) for other in others):
                return True
        return False

    def _refuse_taken(self, doc: Doc) -> None:
        if self._unique and self._taken(doc):
            raise BadInput(f"{self.name}: {doc['_id']} would have what only one may have, and another has")

    def _replace(self, old: Doc, new: Doc) -> None:
        self._refuse_taken(new)
        touched = [field for field in self._indexes if list(leaves(old, field)) != list(leaves(new, field))]
        self._leave(old, touched)
        self._docs[new["_id"]] = new
        self._enter(new, touched)

    def _matching(self, where: Where) -> list[Doc]:
        check_where(where)
        now = self._clock.now()
        if self._expiring and now >= self._looked_at + EXPIRY:
            self._expire(now)
        exact = resolved(where, now)
        return [doc for doc in self._candidates(exact) if matches(doc, exact, now)]

    def _expire(self, now: datetime) -> None:
        """MongoDB looks for what has expired once a minute as well: nothing may count on the moment."""
        self._looked_at = now
        for field, age in self._expiring.items():
            for doc in list(self._docs.values()):
                if any(isinstance(value, datetime) and value + age <= now for value in _keys(doc, field)):
                    self._remove(doc)

    def _remove(self, doc: Doc) -> None:
        self._leave(doc, self._indexes)
        del self._docs[doc["_id"]]
        self._ids = None

    def _candidates(self, where: Doc) -> Iterable[Doc]:
        if "_id" in where and (ids := self._by_id(where["_id"])) is not None:
            return [self._docs[key] for key in ids if key in self._docs]
        for field, entries in self._indexes.items():
            if field in where and (ids := _by_index(entries, where[field])) is not None:
                return [self._docs[key] for key in ids]
        return list(self._docs.values())

    def _by_id(self, condition: Any) -> Iterable[str] | None:
        if isinstance(condition, str):
            return (condition,)
        if not isinstance(condition, Mapping):
            return None
        if "$in" in condition:
            return dict.fromkeys(key for key in condition["$in"] if isinstance(key, str))
        if isinstance(condition.get("$gt"), str) and isinstance(condition.get("$lt"), str):
            if self._ids is None:
                self._ids = sorted(self._docs)
            return self._ids[bisect_right(self._ids, condition["$gt"]) : bisect_left(self._ids, condition["$lt"])]
        return None

    def _enter(self, doc: Doc, fields: Iterable[str]) -> None:
        for field in fields:
            for value in _keys(doc, field):
                self._indexes[field][value][doc["_id"]] = None

    def _leave(self, doc: Doc, fields: Iterable[str]) -> None:
        for field in fields:
            for value in _keys(doc, field):
                entries = self._indexes[field][value]
                entries.pop(doc["_id"], None)
                if not entries:
                    del self._indexes[field][value]


def _by_index(entries: Mapping[Any, dict[str, None]], condition: Any) -> Iterable[str] | None:
    """The ids that an index offers for a condition, or None where it cannot serve it: null and missing are not in it."""
    if isinstance(condition, str):
        return list(entries.get(condition, ()))
    if isinstance(condition, Mapping) and "$in" in condition and all(isinstance(value, str) for value in condition["$in"]):
        return dict.fromkeys(key for value in condition["$in"] for key in entries.get(value, ()))
    if isinstance(condition, Mapping) and ("$lte" in condition or "$lt" in condition):
        return dict.fromkeys(key for keys in entries.values() for key in keys)
    return None


def _keys(doc: Doc, field: str) -> Iterator[Any]:
    """What a document is found under: every value that is not null, and every element of an array."""
    values = [value for leaf in leaves(doc, field) for value in (leaf if isinstance(leaf, list) else (leaf,))]
    return iter(dict.fromkeys(value for value in values if value is not MISSING and isinstance(value, Hashable) and value is not None))
