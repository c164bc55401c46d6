"""The two stores that the suite of this folder runs on: the twin, and a real MongoDB."""

from collections.abc import AsyncIterator

import pytest
from pymongo import AsyncMongoClient

from shared.clock import ServerClock
from shared.ids import new_id
from shared.memory.store import MemoryDatabase
from shared.storage.mongo import MongoDatabase
from shared.storage.port import Collection, Database, Index, Schema

THINGS = Schema(
    "things",
    (
        Index((("state", 1),)),
        Index((("tags", 1),)),
        Index((("due_at", 1),), partial=True),
        Index((("a.b", 1),)),
        Index((("message", "text"),)),
    ),
)

TEST_DATABASE = f"test_{new_id()}"


@pytest.fixture(scope="session")
async def mongodb(store_url: str) -> AsyncIterator[MongoDatabase]:
    """One database for the whole suite; a test empties what it uses, which is quicker than making it anew."""
    name = TEST_DATABASE
    database = MongoDatabase(store_url, name, ServerClock())
    await database.ready()
    await database.ensure([THINGS])
    yield database
    await database.close()
    async with AsyncMongoClient[dict[str, object]](store_url) as client:
        await client.drop_database(name)


@pytest.fixture(params=["memory", "mongodb"])
def database(request: pytest.FixtureRequest) -> Database:
    """Each test runs on both; the twin's must not wait for a mongod."""
    if request.param == "memory":
        return MemoryDatabase(ServerClock())
    real: MongoDatabase = request.getfixturevalue("mongodb")
    return real


@pytest.fixture
async def things(database: Database) -> Collection:
    """An empty collection with indexes."""
    await database.ensure([THINGS])
    await database["things"].delete({})
    return database["things"]


@pytest.fixture
async def both(mongodb: MongoDatabase) -> tuple[Collection, Collection]:
    """The same empty collection, on the twin and for real."""
    twin = MemoryDatabase(ServerClock())
    await twin.ensure([THINGS])
    await mongodb["things"].delete({})
    return twin["things"], mongodb["things"]
