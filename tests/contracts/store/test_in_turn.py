"""Several reads in one round trip find what each of them finds alone: the same on the twin and on MongoDB."""

from datetime import UTC, datetime

import pytest

from shared.errors import BadInput
from shared.storage.port import Collection, Database, Doc, Read, ServerNow

DAY = datetime(2026, 5, 1, 12, tzinfo=UTC)
DOCS: list[Doc] = [
    {"_id": "1", "n": 3, "of": "its own", "state": "ready", "due_at": DAY},
    {"_id": "2", "n": 1, "doc": {"of": 7}, "state": "ready"},
    {"_id": "3", "n": 2, "state": "done", "due_at": datetime(2999, 1, 1, tzinfo=UTC)},
]


@pytest.mark.parametrize(
    "one",
    [
        Read("things", {}),
        Read("things", {"_id": {"$in": ["3", "1"]}}, ("of",)),
        Read("things", {"state": "ready"}, ("doc.of", "n"), sort=(("n", 1),)),
        Read("things", {"_id": {"$gt": "0", "$lt": "9"}}, sort=(("n", -1),), limit=2),
        Read("things", {"due_at": {"$lte": ServerNow()}}),
        Read("things", {"$or": [{"n": 1}, {"due_at": {"$lte": ServerNow()}}]}),
        Read("nothing of this name", {"_id": "1"}),
    ],
    ids=str,
)
async def test_each_finds_what_it_finds_alone(database: Database, things: Collection, one: Read) -> None:
    await things.insert(DOCS)
    alone = await database[one.name].find(one.where, one.fields, sort=one.sort, limit=one.limit)
    first, found, last = await database.read([Read("things", {"_id": "2"}), one, Read("things", {"_id": "none"})])
    assert first == [DOCS[1]]
    assert last == []
    assert found == alone if one.sort else sorted(found, key=lambda doc: doc["_id"]) == sorted(alone, key=lambda doc: doc["_id"])


@pytest.mark.parametrize(
    "one",
    [
        Read("things", {"$where": "true"}),
        Read("things", {}, ("$n",)),
        Read("things", {}, sort=(("n", 0),)),
        Read("things", {}, limit=-1),
        Read("things", {"$text": {"$search": "words"}}),
    ],
    ids=str,
)
async def test_what_the_language_does_not_have_is_refused(database: Database, things: Collection, one: Read) -> None:
    await things.insert(DOCS)
    with pytest.raises(BadInput):
        await database.read([Read("things", {"_id": "1"}), one])
