"""Indexes, proven by `explain`: nothing that the services ask of MongoDB during a run looks through a whole collection."""

import itertools
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from shared.clock import ServerClock
from shared.ids import new_id
from shared.storage.mongo import MongoDatabase
from shared.storage.port import Change, Collection, Database, Doc, Read, Schema, ServerNow, Update, Where, one_by_one
from tests.integration.chores import lines
from tests.integration.conftest import Open
from tests.integration.house import SERVICES, House, Parts, hurrying, work

MANY = 2_000
WIDE = 101
PATIENCE = 60
REAL = pytest.mark.parametrize("make_parts", ["real"], indirect=True, scope="module")
pytestmark = REAL


@dataclass(frozen=True)
class Asked:
    """One question, or one change, as a service put it."""

    service: str
    collection: str
    operation: str
    where: Where
    sort: tuple[tuple[str, int], ...] = ()

    @property
    def shape(self) -> tuple[str, str, str, str, str]:
        """What is the same for all questions of its kind."""
        return self.service, self.collection, self.operation, _names(self.where), str(self.sort)


@dataclass
class Ear:
    """All that was asked, one of each shape; the one with the longest list, as that is where a planner might give an index up."""

    asked: dict[tuple[str, str, str, str, str], Asked] = field(default_factory=dict)

    def hear(self, asked: Asked) -> None:
        """Note it."""
        known = self.asked.get(asked.shape)
        if known is None or len(str(known.where)) < len(str(asked.where)):
            self.asked[asked.shape] = asked


class Heard:
    """A database whose collections tell what they are asked."""

    def __init__(self, inner: Database, service: str, ear: Ear) -> None:
        self._inner = inner
        self._service = service
        self._ear = ear

    def __getitem__(self, name: str) -> Collection:
        return HeardCollection(self._inner[name], self._service, self._ear)

    async def read(self, reads: Sequence[Read]) -> list[list[Doc]]:
        return await one_by_one(self, reads)

    async def ready(self) -> None:
        await self._inner.ready()

    async def ensure(self, schemas: Sequence[Schema]) -> None:
        await self._inner.ensure(schemas)

    async def close(self) -> None:
        await self._inner.close()


class HeardCollection:
    """A collection that tells what it is asked, before it answers as ever."""

    def __init__(self, inner: Collection, service: str, ear: Ear) -> None:
        self.name = inner.name
        self._inner = inner
        self._service = service
        self._ear = ear

    async def find(
        self, where: Where, fields: Sequence[str] = (), *, sort: Sequence[tuple[str, int]] = (), limit: int = 0, skip: int = 0
    ) -> list[Doc]:
        self._tell("find", where, sort)
        return await self._inner.find(where, fields, sort=sort, limit=limit, skip=skip)

    async def insert(self, docs: Sequence[Doc]) -> set[str]:
        return await self._inner.insert(docs)

    async def update(self, where: Where, change: Change) -> int:
        self._tell("update", where)
        return await self._inner.update(where, change)

    async def bulk(self, updates: Sequence[Update], *, relaxed: bool = False) -> int:
        for update in updates:
            self._tell("update", update.where)
        return await self._inner.bulk(updates, relaxed=relaxed)

    async def take(self, where: Where, change: Change) -> Doc | None:
        self._tell("findAndModify", where)
        return await self._inner.take(where, change)

    async def delete(self, where: Where) -> int:
        self._tell("delete", where)
        return await self._inner.delete(where)

    async def count(self, where: Where) -> int:
        self._tell("aggregate", where)
        return await self._inner.count(where)

    async def count_by(self, where: Where, field: str) -> dict[Any, int]:
        self._tell("aggregate", where)
        return await self._inner.count_by(where, field)

    def _tell(self, operation: str, where: Where, sort: Sequence[tuple[str, int]] = ()) -> None:
        self._ear.hear(Asked(self._service, self.name, operation, dict(where), tuple(sort)))


@pytest.fixture(scope="module")
async def ear(open_house: Open, store_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Ear, AsyncDatabase[Doc]]]:
    """What was asked while runs went through retries, a breakdown, an approval, a fan-in and a cancel; and the store, full by then."""
    ear, name = Ear(), f"test_{new_id()}"
    trace = str(tmp_path_factory.mktemp("explain") / "trace")

    def listened(parts: Parts) -> Parts:
        # The house opens a database for itself first, then one for each service.
        who = iter(["test", *SERVICES])

        def database(clock: ServerClock) -> Database:
            return Heard(MongoDatabase(store_url, name, clock), next(who), ear)

        return replace(parts, database=database)

    async with open_house(wrap=listened) as house, AsyncMongoClient[Doc](store_url) as client:
        async with hurrying(house):
            await _live(house, trace)
        await _fill(client[name])
        yield ear, client[name]
        await client.drop_database(name)


async def test_no_question_looks_through_a_whole_collection(ear: tuple[Ear, AsyncDatabase[Doc]]) -> None:
    heard, database = ear
    asked = [one for one in heard.asked.values() if one.service != "test"]
    assert {one.service for one in asked} == set(SERVICES)
    scans = [one for one in asked if await _scans(database, one)]
    assert [f"{one.service}: {one.operation} {one.collection} {_names(one.where)} {one.sort or ''}" for one in scans] == []


async def test_what_has_no_index_is_found_out(ear: tuple[Ear, AsyncDatabase[Doc]]) -> None:
    for operation in ("find", "update", "findAndModify", "delete", "aggregate"):
        assert await _scans(ear[1], Asked("test", "tasks", operation, {"title": "Task a"}))
        assert not await _scans(ear[1], Asked("test", "tasks", operation, {"_id": {"$in": ["a", "b"]}, "title": "Task a"}))


async def test_the_run_asked_what_a_run_asks(ear: tuple[Ear, AsyncDatabase[Doc]]) -> None:
    """Else the test above proves little."""
    asked = defaultdict(set)
    for one in ear[0].asked.values():
        asked[one.service, one.collection].add(_names(one.where))
    assert "{_id:{$in:[?]},state:?}" in asked["sequencer", "verdicts"]
    assert "{feeds:?,passes:?}" in asked["sequencer", "tasks"]
    assert "{dependencies:{$in:[?]},phase:?}" in asked["sequencer", "tasks"]
    assert "{due_at:{$lte:?}}" in asked["sequencer", "tasks"]
    assert "{due_at:{$lte:?},state:?}" in asked["executor", "attempts"]
    assert {"{_id:?,owner:?,state:?}", "{_id:?,state:?,owner:?}"} & asked["executor", "attempts"]


async def _live(house: House, trace: str) -> None:
    flaky = work("flaky", call="flaky", args={"path": trace, "line": "x", "failures": 1})
    asked = work("asked", "flaky", checkpoint={"when": "before"})
    split = work("big", call="split", args={"subtasks": [work("s1"), work("s2", "s1")]})
    many = [work(f"w{number}") for number in range(WIDE)]
    run = await house.submit([flaky, asked, split, *many, work("join", "asked", "big", *(one["key"] for one in many))])
    await house.decide(await house.when(run, "asked", "awaiting_approval", seconds=PATIENCE), "approve")
    assert await house.ended(run, seconds=PATIENCE) == "completed", await house.report(run)
    held = await house.submit([work("held", call="hold", args={"path": f"{trace}.held"}), work("later", "held")])
    await house.until(lambda: _begun(f"{trace}.held"), seconds=PATIENCE)
    await house.order(held, "cancel")
    assert await house.ended(held, seconds=PATIENCE) == "cancelled"
    for path in (
        f"/tasks/{run}",
        f"/tasks/{run}?tree=full",
        f"/tasks/{run}/sequence",
        f"/tasks/{run}/export",
        "/tasks?roots=true",
        f"/tasks?run={run}",
        "/approvals",
        "/",
        "/inbox",
        f"/runs/{run}",
        f"/runs/{run}?task=1",
        f"/ui/runs/{run}/found?phase=completed&text=w1",
        f"/ui/runs/{run}/rows",
        f"/ui/runs/{run}/logs",
        f"/ui/runs/{run}/graph",
        f"/tasks/{run}/rerun",
    ):
        answer = await house.http.get(path)
        assert answer.status_code == 200, (path, answer.text)


async def _begun(path: str) -> list[str]:
    return lines(f"{path}.begun")


async def _fill(database: AsyncDatabase[Doc]) -> None:
    """Every collection gets so many documents, like those that it has, of other runs."""
    for name in await database.list_collection_names():
        models = await database[name].find().limit(50).to_list() or [{}]
        copies = [_copy(model, number) for number, model in zip(range(MANY), itertools.cycle(models), strict=False)]
        await database[name].insert_many(copies)
        assert await database[name].estimated_document_count() >= MANY


def _copy(model: Doc, number: int) -> Doc:
    """With another id, and whatever else must be unique."""
    return {**model, "_id": f"copy-{number:05d}", "run_id": f"copy-{number // 20}", "key_hash": f"copy-{number}"}


async def _scans(database: AsyncDatabase[Doc], asked: Asked) -> bool:
    """Whether MongoDB would look through the whole collection."""
    plans = [
        json.dumps(plan, default=str) for plan in _winning(await database.command("explain", _command(asked), verbosity="queryPlanner"))
    ]
    assert plans, asked
    return any("COLLSCAN" in plan for plan in plans)


def _command(asked: Asked) -> dict[str, Any]:
    where, never = _plain(asked.where), {"$unset": {"never_there": ""}}
    match asked.operation:
        case "find":
            return {"find": asked.collection, "filter": where, **({"sort": dict(asked.sort)} if asked.sort else {})}
        case "update":
            return {"update": asked.collection, "updates": [{"q": where, "u": never, "multi": True}]}
        case "findAndModify":
            return {"findAndModify": asked.collection, "query": where, "update": never}
        case "delete":
            return {"delete": asked.collection, "deletes": [{"q": where, "limit": 0}]}
        case _:
            count = [{"$match": where}, {"$group": {"_id": None, "n": {"$sum": 1}}}]
            return {"aggregate": asked.collection, "pipeline": count, "cursor": {}}


def _plain(value: Any) -> Any:
    """The server's time as a date, which is what an index is asked for; the store adds an exact condition beside it."""
    if isinstance(value, ServerNow):
        return ServerClock().now() + timedelta(seconds=value.seconds)
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def _winning(explained: Any) -> Iterator[Any]:
    """Every winning plan in an answer, wherever it stands."""
    if isinstance(explained, Mapping):
        for name, value in explained.items():
            if name == "winningPlan":
                yield value
            else:
                yield from _winning(value)
    elif isinstance(explained, list):
        for value in explained:
            yield from _winning(value)


def _names(value: Any) -> str:
    """A filter without its values."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{name}:{_names(inner)}" for name, inner in value.items()) + "}"
    return f"[{','.join(sorted({_names(inner) for inner in value}))}]" if isinstance(value, (list, tuple)) else "?"
