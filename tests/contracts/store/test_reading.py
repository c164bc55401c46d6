"""What a filter finds, in what order, and how much of it: the same on the twin and on MongoDB."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from shared.errors import BadInput
from shared.ids import subtree
from shared.storage.port import Collection, Doc, ServerNow

DAY = datetime(2026, 5, 1, 12, tzinfo=UTC)

DOCS: list[Doc] = [
    {"_id": "1", "n": 1, "s": "one", "tags": ["red", "blue"], "state": "ready", "a": {"b": 1, "c": {"d": "deep"}}, "when": DAY},
    {"_id": "2", "n": 2, "s": "Two", "tags": [], "state": "running", "a": {"b": 2}, "when": DAY + timedelta(days=1)},
    {"_id": "3", "n": 2.5, "s": None, "tags": ["blue"], "state": "done", "a": {"b": None}, "flag": True},
    {"_id": "4", "n": -3, "state": "ready", "a": None, "flag": False},
    {"_id": "5", "n": [1, 9], "s": "two", "items": [{"k": "x", "v": 1}, {"k": "y"}], "a": [{"b": 5}, {"b": [6, 7]}, {"c": 1}]},
    {"_id": "6", "n": "1", "items": [], "a": [], "tags": "blue", "nested": {"x": 1, "y": 2}},
]

FOUND: list[tuple[dict[str, Any], str]] = [
    ({}, "123456"),
    ({"_id": "3"}, "3"),
    ({"_id": {"$in": ["1", "9", "1", "4"]}}, "14"),
    ({"_id": {"$gt": "2", "$lt": "5"}}, "34"),
    ({"_id": {"$gte": "2", "$lte": "4"}}, "234"),
    ({"state": "ready"}, "14"),
    ({"state": {"$in": ["ready", "done"]}}, "134"),
    ({"state": {"$nin": ["ready", "done"]}}, "256"),
    ({"state": {"$ne": "ready"}}, "2356"),
    ({"state": {"$in": ["done", None]}}, "356"),
    ({"state": None}, "56"),
    ({"s": None}, "346"),
    ({"s": {"$ne": None}}, "125"),
    ({"s": {"$exists": True}}, "1235"),
    ({"s": {"$exists": False}}, "46"),
    ({"s": {"$eq": "one"}}, "1"),
    ({"s": {"$in": []}}, ""),
    ({"s": {"$nin": []}}, "123456"),
    ({"n": 1}, "15"),
    ({"n": 1.0}, "15"),
    ({"n": "1"}, "6"),
    ({"n": {"$gt": 1}}, "235"),
    ({"n": {"$lt": 0}}, "4"),
    ({"n": {"$gte": 2, "$lt": 2.5}}, "25"),  # MongoDB's own: each bound may be met by another element of an array
    ({"n": {"$gt": "0"}}, "6"),
    ({"n": [1, 9]}, "5"),
    ({"flag": True}, "3"),
    ({"flag": 1}, ""),
    ({"flag": {"$ne": True}}, "12456"),
    ({"tags": "blue"}, "136"),
    ({"tags": ["blue"]}, "3"),
    ({"tags": []}, "2"),
    ({"tags": {"$ne": "blue"}}, "245"),
    ({"tags": {"$in": ["red", "green"]}}, "1"),
    ({"tags": {"$lt": "c"}}, "136"),
    ({"a.b": 1}, "1"),
    ({"a.b": 5}, "5"),
    ({"a.b": 7}, "5"),
    ({"a.b": [6, 7]}, "5"),
    ({"a.b": None}, "345"),
    ({"a.b": {"$exists": True}}, "1235"),
    ({"a.b": {"$exists": False}}, "46"),
    ({"a.b": {"$gt": 1}}, "25"),
    ({"a.b": {"$in": [2, 6]}}, "25"),
    ({"a.c.d": "deep"}, "1"),
    ({"a.c.d": {"$exists": True}}, "1"),
    ({"items.k": "y"}, "5"),
    ({"items.v": None}, "12345"),
    ({"items.v": {"$ne": 1}}, "12346"),
    ({"items.0.k": "x"}, "5"),
    ({"nested": {"x": 1, "y": 2}}, "6"),
    ({"nested": {"y": 2, "x": 1}}, ""),
    ({"nested": {"x": 1}}, ""),
    ({"when": DAY}, "1"),
    ({"when": {"$gt": DAY}}, "2"),
    ({"when": {"$lte": DAY + timedelta(days=2)}}, "12"),
    ({"when": {"$lt": ServerNow(3600)}}, "12"),
    ({"n": {"$lt": ServerNow()}}, ""),
    ({"s": {"$regex": "^t"}}, "5"),
    ({"s": {"$regex": "(?i)^t.o$"}}, "25"),
    ({"tags": {"$regex": "^bl"}}, "136"),
    ({"$or": [{"n": 1}, {"state": "running"}]}, "125"),
    ({"$or": [{"when": {"$lte": ServerNow()}}, {"_id": "6"}]}, "126"),
    ({"flag": False, "$or": [{"n": 1}, {"state": "ready"}]}, "4"),
    ({"state": "ready", "n": 1}, "1"),
    ({"_id": {"$gt": 1, "$lt": "4"}}, ""),
    ({"n": {"$gte": float("nan")}}, ""),
    ({"n": {"$lt": float("nan")}}, ""),
    ({"tags": {"$in": ["blue"]}, "state": "done"}, "3"),
]


@pytest.mark.parametrize(("where", "ids"), FOUND, ids=[str(where) for where, _ in FOUND])
async def test_a_filter_finds(things: Collection, where: dict[str, Any], ids: str) -> None:
    await things.insert(DOCS)
    assert sorted(doc["_id"] for doc in await things.find(where)) == list(ids)
    assert await things.count(where) == len(ids)


async def test_a_subtree_is_a_range_of_ids(things: Collection) -> None:
    await things.insert([{"_id": key} for key in ("r", "r.1", "r.1.1", "r.10", "r.1.v2-1", "r/", "r.2", "ra", "s.1", "r:1")])
    assert sorted(doc["_id"] for doc in await things.find({"_id": subtree("r")})) == ["r.1", "r.1.1", "r.1.v2-1", "r.10", "r.2"]
    assert sorted(doc["_id"] for doc in await things.find({"_id": subtree("r.1")})) == ["r.1.1", "r.1.v2-1"]
    await things.delete({"_id": "r.1.1"})
    assert await things.count({"_id": subtree("r.1")}) == 1


@pytest.mark.parametrize(
    ("sort", "ids"),
    [
        ([("_id", -1)], "654321"),
        ([("n", 1), ("_id", 1)], "415236"),
        ([("n", -1), ("_id", 1)], "653214"),
        ([("s", 1), ("_id", 1)], "346215"),
        ([("state", 1), ("_id", -1)], "653412"),
        ([("when", -1), ("_id", 1)], "213456"),
        ([("tags", 1), ("_id", 1)], "245136"),
        ([("tags", -1), ("_id", 1)], "136452"),
        ([("a.b", 1), ("_id", 1)], "345612"),
        ([("a.b", -1), ("_id", 1)], "521346"),
        ([("flag", 1), ("_id", 1)], "125643"),
    ],
)
async def test_sorting(things: Collection, sort: list[tuple[str, int]], ids: str) -> None:
    await things.insert(DOCS)
    found = [doc["_id"] for doc in await things.find({}, sort=sort)]
    assert found == list(ids)
    assert [doc["_id"] for doc in await things.find({}, sort=sort, skip=1, limit=3)] == found[1:4]


PLACES = (
    [{"k": None}, {"b": 1}, ""],
    ["x", "y"],
    [],
    "done",
    None,
    [1, {"5": 5}],
    [[3, 4], 1],
    [{"b": 1}],
    [None, 5],
    [[], 1],
    [{"a": 1}, ""],
    [3],
)


@pytest.mark.parametrize(
    ("path", "direction", "ids"),
    [("tags.0", 1, "jcdeiflbakhg"), ("tags.0", -1, "ghkablfcdeij"), ("tags.1", 1, "cdehlgjikbfa"), ("tags.1", -1, "afbkigjcdehl")],
)
async def test_sorting_by_a_place_in_an_array(things: Collection, path: str, direction: int, *, ids: str) -> None:
    await things.insert([{"_id": chr(97 + number), "tags": tags} for number, tags in enumerate(PLACES)])
    assert [doc["_id"] for doc in await things.find({}, sort=[(path, direction), ("_id", 1)])] == list(ids)


async def test_limit_skip_and_nothing(things: Collection) -> None:
    await things.insert(DOCS)
    assert len(await things.find({}, limit=4)) == 4
    assert len(await things.find({}, skip=4)) == 2
    assert await things.find({}, skip=40) == []
    assert await things.find({"_id": "none"}) == []


@pytest.mark.parametrize(
    ("fields", "of", "doc"),
    [
        (("n",), "1", {"_id": "1", "n": 1}),
        (("n", "none"), "1", {"_id": "1", "n": 1}),
        (("_id",), "1", {"_id": "1"}),
        (("a.b",), "1", {"_id": "1", "a": {"b": 1}}),
        (("a.z",), "1", {"_id": "1", "a": {}}),
        (("a.b",), "4", {"_id": "4"}),
        (("a.b",), "5", {"_id": "5", "a": [{"b": 5}, {"b": [6, 7]}, {}]}),
        (("tags.x",), "1", {"_id": "1", "tags": []}),
        (("items.k", "s"), "5", {"_id": "5", "s": "two", "items": [{"k": "x"}, {"k": "y"}]}),
        (("a.c.d", "a.b"), "1", {"_id": "1", "a": {"b": 1, "c": {"d": "deep"}}}),
    ],
)
async def test_only_the_named_fields(things: Collection, fields: tuple[str, ...], of: str, doc: Doc) -> None:
    await things.insert(DOCS)
    found = await things.find({"_id": of}, fields)
    assert found == [doc]
    assert list(found[0]) == list(doc)


async def test_words_of_a_text(things: Collection) -> None:
    await things.insert([{"_id": "1", "message": "Disk nearly full on node seven"}, {"_id": "2", "message": "lease renewed"}, {"_id": "3"}])
    assert [doc["_id"] for doc in await things.find({"$text": {"$search": "disk"}})] == ["1"]
    assert sorted(doc["_id"] for doc in await things.find({"$text": {"$search": "lease disk"}})) == ["1", "2"]
    assert await things.count({"$text": {"$search": "seven"}, "_id": "2"}) == 0


async def test_phrases_and_words_that_are_not_wanted(things: Collection) -> None:
    await things.insert(
        [{"_id": "1", "message": "Disk nearly full"}, {"_id": "2", "message": "full disk"}, {"_id": "3", "message": "lease"}]
    )
    asked = {'"nearly full"': "1", '"full nearly"': "", '"nearly full" lease': "1", "disk -nearly": "2", "-disk": "", "DISK lease": "123"}
    for text, ids in asked.items():
        assert sorted(doc["_id"] for doc in await things.find({"$text": {"$search": text}})) == list(ids), text


async def test_server_time_decides(things: Collection) -> None:
    now = datetime.now(UTC)
    await things.insert([{"_id": "past", "due_at": now - timedelta(seconds=5)}, {"_id": "future", "due_at": now + timedelta(seconds=5)}])
    assert [doc["_id"] for doc in await things.find({"due_at": {"$lte": ServerNow()}})] == ["past"]
    assert await things.count({"due_at": {"$lt": ServerNow(-60)}}) == 0
    assert await things.count({"due_at": {"$lt": ServerNow(60)}}) == 2


async def test_a_date_in_any_zone_is_the_same_moment(things: Collection) -> None:
    await things.insert(DOCS)
    assert await things.count({"when": DAY.astimezone(timezone(timedelta(hours=5)))}) == 1
    assert await things.count({"when": DAY.replace(microsecond=999)}) == 1
    assert await things.count({"when": DAY.replace(tzinfo=None)}) == 1


@pytest.mark.parametrize(
    "where",
    [
        {"$and": [{"n": 1}]},
        {"$where": "true"},
        {"$expr": {"$gt": ["$n", 1]}},
        {"n": {"$mod": [2, 0]}},
        {"n": {"$not": {"$gt": 1}}},
        {"n": {"$elemMatch": {"$gt": 1}}},
        {"n": {"$gt": None}},
        {"n": {"$gt": 1, "plain": 2}},
        {"n": {"$in": "1"}},
        {"n": {"$in": {1, 2}}},
        {"n": {"$exists": 1}},
        {"n": ServerNow()},
        {"n": {"$gt": ServerNow()}},
        {"$or": []},
        {"$or": [{"$nor": []}]},
        {"n": object()},
        {"n": {1, 2}},
        {"n": 2**63},
        {"n": "\ud800"},
        {"s": {"$regex": "("}},
        {"s": {"$regex": "a\0b"}},
    ],
    ids=str,
)
async def test_what_is_not_in_the_language_is_refused(things: Collection, where: dict[str, Any]) -> None:
    await things.insert(DOCS)
    with pytest.raises(BadInput):
        await things.find(where)
    with pytest.raises(BadInput):
        await things.delete(where)
    assert await things.count({}) == len(DOCS)


@pytest.mark.parametrize("fields", [("a", "a.b"), ("a.b", "a"), ("$a",), ("$a{b}",), ("",), ("a..b",), ("_id.x",)], ids=str)
async def test_fields_that_cannot_be_named_are_refused(things: Collection, fields: tuple[str, ...]) -> None:
    with pytest.raises(BadInput):
        await things.find({}, fields)


@pytest.mark.parametrize(
    "how",
    [
        {"sort": (("n", 2),)},
        {"sort": (("", 1),)},
        {"limit": -1},
        {"skip": -1},
        {"sort": (("tags", 1), ("items", 1))},
        {"sort": (("places.0", 1),)},
    ],
    ids=str,
)
async def test_what_cannot_be_sorted_or_limited_is_refused(things: Collection, how: dict[str, Any]) -> None:
    await things.insert([{"_id": "1", "tags": ["x"], "items": ["y"]}, {"_id": "2", "places": [{"0": 1}, 2]}])
    with pytest.raises(BadInput):
        await things.find({}, **how)


@pytest.mark.parametrize("field", ["", "a.b", "$n"])
async def test_counting_by_what_is_no_field_is_refused(things: Collection, field: str) -> None:
    with pytest.raises(BadInput):
        await things.count_by({}, field)


async def test_counting_by_a_field(things: Collection) -> None:
    await things.insert(DOCS[:4])
    assert await things.count_by({}, "state") == {"ready": 2, "running": 1, "done": 1}
    assert await things.count_by({"n": {"$gt": 1}}, "flag") == {None: 1, True: 1}
    assert await things.count_by({"_id": "none"}, "state") == {}
