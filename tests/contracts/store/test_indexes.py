"""What an index promises beside speed: one bearer only, and an end for what has expired. And how deep a document may be."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from shared.clock import ServerClock
from shared.errors import BadInput
from shared.ids import new_id
from shared.memory.store import EXPIRY, MemoryDatabase
from shared.storage.mongo import MongoDatabase
from shared.storage.port import Collection, Database, Index, Schema, Update
from tests.contracts.store.conftest import TEST_DATABASE
from tests.contracts.store.dice import nested

DEEPEST = 180


async def made(database: Database, *indexes: Index) -> Collection:
    """A collection of the test's own."""
    name = f"own_{new_id()}"
    await database.ensure([Schema(name, indexes)])
    return database[name]


@pytest.fixture
async def keys(database: Database) -> Collection:
    """Two who each hold what nobody else may hold."""
    keys = await made(database, Index((("hash", 1),), unique=True))
    await keys.insert([{"_id": "a", "hash": "x"}, {"_id": "b", "hash": "y"}])
    return keys


CHANGE: dict[str, Any] = {"$set": {"hash": "x"}}


class TestUnique:
    async def test_no_write_gives_it_to_a_second(self, keys: Collection) -> None:
        writes = (
            keys.update({"_id": "b"}, CHANGE),
            keys.bulk([Update({"_id": "b"}, CHANGE)]),
            keys.bulk([Update({"_id": "c"}, CHANGE, upsert=True)]),
            keys.take({"_id": "b"}, CHANGE),
            keys.update({}, {"$set": {"hash": "z"}}),
        )
        for write in writes[:-1]:
            with pytest.raises(BadInput):
                await write
        assert await keys.find({}, sort=(("_id", 1),)) == [{"_id": "a", "hash": "x"}, {"_id": "b", "hash": "y"}]
        with pytest.raises(BadInput):
            await writes[-1]
        assert len({doc["hash"] for doc in await keys.find({})}) == 2

    async def test_neighbours_in_one_write_before_it_are_written(self, keys: Collection) -> None:
        with pytest.raises(BadInput):
            await keys.bulk([Update({"_id": "a"}, {"$set": {"n": 1}}), Update({"_id": "b"}, CHANGE)])
        assert await keys.find({"n": 1}) == [{"_id": "a", "hash": "x", "n": 1}]

    async def test_who_has_it_may_keep_it(self, keys: Collection) -> None:
        assert await keys.update({"_id": "a"}, {"$set": {"hash": "x", "n": 1}}) == 1
        assert await keys.bulk([Update({"_id": "a"}, CHANGE, upsert=True)]) == 1

    async def test_what_is_missing_counts_as_null(self, keys: Collection) -> None:
        assert await keys.insert([{"_id": "c"}]) == set()
        assert await keys.insert([{"_id": "d"}, {"_id": "e", "hash": None}]) == {"d", "e"}

    async def test_a_partial_one_passes_over_those_without_it(self, database: Database) -> None:
        some = await made(database, Index((("hash", 1),), unique=True, partial=True))
        assert await some.insert([{"_id": "a"}, {"_id": "b"}, {"_id": "c", "hash": None}, {"_id": "d", "hash": None}]) == {"d"}


class TestExpiry:
    async def test_mongodb_is_told_when(self, mongodb: MongoDatabase, store_url: str) -> None:
        """That it then deletes is MongoDB's own affair; it looks once a minute, too seldom for a test."""
        lines = await made(mongodb, Index((("at", 1),), expire_after=3_600), Index((("gone_at", 1),), expire_after=0))
        async with AsyncMongoClient[dict[str, object]](store_url) as client:
            kept = await client[TEST_DATABASE][lines.name].index_information()
        assert [kept[name].get("expireAfterSeconds") for name in ("_id_", "at_1", "gone_at_1")] == [None, 3_600, 0]

    async def test_the_twin_looks_once_a_minute_by_its_clock(self) -> None:
        clock = Ticking()
        lines = await made(MemoryDatabase(clock), Index((("at", 1),), expire_after=3_600))
        now = clock.now()
        await lines.insert([{"_id": "old", "at": now - timedelta(minutes=59)}, {"_id": "young", "at": now}, {"_id": "x", "at": "x"}])
        assert await lines.count({}) == 3
        clock.seconds += EXPIRY.total_seconds() - 1
        assert await lines.count({}) == 3
        clock.seconds += 1
        assert sorted(doc["_id"] for doc in await lines.find({})) == ["x", "young"]


class Ticking(ServerClock):
    """Time stands still until it is moved on."""

    seconds = 0.0

    def now(self) -> datetime:
        return datetime(2026, 5, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)


class TestDepth:
    async def test_as_deep_as_it_goes(self, things: Collection) -> None:
        await things.insert([{"_id": "1", "n": nested(DEEPEST - 1)}])
        assert await things.update({"_id": "1"}, {"$set": {"m": nested(DEEPEST - 1), "a.b": nested(DEEPEST - 2)}}) == 1

    @pytest.mark.parametrize("levels", [DEEPEST, 250, 600])
    async def test_what_is_deeper_is_refused_rather_than_tried_for_ever(self, things: Collection, levels: int) -> None:
        await things.insert([{"_id": "1"}])
        change = {"$set": {"n": nested(levels)}}
        writes = (
            things.insert([{"_id": "2", "n": nested(levels)}]),
            things.update({"_id": "1"}, change),
            things.take({"_id": "1"}, change),
            things.bulk([Update({"_id": "1"}, change)]),
            things.update({"_id": "1"}, {"$set": {"a.b": nested(levels - 1)}}),
        )
        for write in writes:
            with pytest.raises(BadInput):
                await write
        assert await things.find({}) == [{"_id": "1"}]
