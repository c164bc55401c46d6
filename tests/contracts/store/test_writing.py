"""What a write leaves behind: the same on the twin and on MongoDB."""

import asyncio
import enum
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from shared.errors import BadInput
from shared.ids import new_id
from shared.storage.port import Collection, Database, Doc, Index, Schema, ServerNow, Update
from tests.contracts.store.dice import nested

DAY = datetime(2026, 5, 1, 12, tzinfo=UTC)


async def one(things: Collection, identifier: str = "1") -> Doc:
    (doc,) = await things.find({"_id": identifier})
    return doc


class TestInsert:
    async def test_the_ids_that_were_there_come_back_and_are_untouched(self, things: Collection) -> None:
        assert await things.insert([{"_id": "a", "n": 1}, {"_id": "b", "n": 1}]) == set()
        assert await things.insert([{"_id": "b", "n": 2}, {"_id": "c", "n": 2}, {"_id": "a", "n": 2}, {"_id": "d", "n": 2}]) == {"a", "b"}
        assert {doc["_id"]: doc["n"] for doc in await things.find({})} == {"a": 1, "b": 1, "c": 2, "d": 2}

    async def test_an_id_twice_in_one_insert_is_won_once_and_lost_once(self, things: Collection) -> None:
        assert await things.insert([{"_id": "a", "n": 1}, {"_id": "a", "n": 2}]) == {"a"}
        assert await one(things, "a") == {"_id": "a", "n": 1}

    async def test_a_unique_field_is_won_once(self, database: Database) -> None:
        keys = database[f"keys_{new_id()}"]
        await database.ensure([Schema(keys.name, (Index((("hash", 1),), unique=True),))])
        assert await keys.insert([{"_id": "a", "hash": "x"}, {"_id": "b", "hash": "y"}]) == set()
        assert await keys.insert([{"_id": "c", "hash": "x"}, {"_id": "d", "hash": "z"}]) == {"c"}
        assert sorted(doc["_id"] for doc in await keys.find({})) == ["a", "b", "d"]

    async def test_nothing(self, things: Collection) -> None:
        assert await things.insert([]) == set()
        assert await things.bulk([]) == 0

    async def test_thousands(self, things: Collection) -> None:
        await things.insert([{"_id": f"{n}", "state": "ready"} for n in range(0, 3_000, 2)])
        assert len(await things.insert([{"_id": f"{n}", "state": "late"} for n in range(3_000)])) == 1_500
        assert await things.count({"state": "late"}) == 1_500
        assert await things.count({"_id": {"$in": [f"{n}" for n in range(3_000)]}}) == 3_000

    @pytest.mark.parametrize(
        "document",
        [
            {"n": 1},
            {"_id": 1},
            {"_id": None},
            {"_id": "x", "n": object()},
            {"_id": "x", "n": {1}},
            {"_id": "x", "n": 2**63},
            {"_id": "x", 1: 2},
            {"_id": "x", "n": "\ud800"},
            {"_id": "x", "\ud800": 1},
            {"_id": "x", "n": "Early", "at": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5)))},
        ],
        ids=str,
    )
    async def test_what_is_no_document_is_refused(self, things: Collection, document: Doc) -> None:
        with pytest.raises(BadInput):
            await things.insert([document])
        assert await things.count({}) == 0


class TestValues:
    async def test_dates_come_back_in_utc_and_whole_milliseconds(self, things: Collection) -> None:
        when = datetime(2026, 5, 1, 12, 0, 0, 123_987, tzinfo=UTC)
        await things.insert([{"_id": "1", "when": when, "naive": when.replace(tzinfo=None), "list": [when]}])
        kept = datetime(2026, 5, 1, 12, 0, 0, 123_000, tzinfo=UTC)
        doc = await one(things)
        assert doc == {"_id": "1", "when": kept, "naive": kept, "list": [kept]}
        assert doc["when"].utcoffset() == timedelta(0)
        await things.update({}, {"$set": {"when": when + timedelta(hours=1)}})
        assert (await one(things))["when"] == kept + timedelta(hours=1)

    async def test_kinds_survive(self, things: Collection) -> None:
        values: Doc = {
            "int": 2**40,
            "float": 2.5,
            "none": None,
            "yes": True,
            "text": "ä\n\u2028€",
            "empty": {},
            "list": [],
            "bytes": b"\0\xff",
            "deep": [[{"x": [1]}]],
        }
        await things.insert([{"_id": "1", **values}])
        doc = await one(things)
        assert doc == {"_id": "1", **values}
        assert all(isinstance(doc[key], type(value)) for key, value in values.items())

    async def test_tuples_are_lists_and_enumerations_plain_strings(self, things: Collection) -> None:
        kind = enum.StrEnum("kind", ["ready"])
        await things.insert([{"_id": "1", "t": (1, 2), "e": kind.ready}])
        doc = await one(things)
        assert doc == {"_id": "1", "t": [1, 2], "e": "ready"}
        assert type(doc["e"]) is str
        assert await things.count({"e": kind.ready}) == 1

    async def test_the_order_of_keys_is_kept(self, things: Collection) -> None:
        await things.insert([{"z": 1, "_id": "1", "a": {"y": 1, "b": 2, "x": 3}}])
        doc = await one(things)
        assert list(doc) == ["_id", "z", "a"]
        assert list(doc["a"]) == ["y", "b", "x"]

    async def test_nothing_is_shared_with_what_was_given_or_found(self, things: Collection) -> None:
        given = {"_id": "1", "a": {"b": [1]}}
        await things.insert([given])
        given["a"]["b"].append(2)  # type: ignore[index]
        pushed = {"x": [1]}
        taken = await things.take({"_id": "1"}, {"$push": {"list": pushed}})
        pushed["x"].append(2)
        assert taken is not None
        taken["a"]["b"].append(3)
        (await one(things))["a"]["b"].append(4)
        (await things.find({}, ("a",)))[0]["a"]["b"].append(5)
        assert await one(things) == {"_id": "1", "a": {"b": [1]}, "list": [{"x": [1]}]}

    async def test_an_insert_leaves_what_was_given_alone(self, things: Collection) -> None:
        given = {"_id": "1", "when": DAY.replace(microsecond=5), "t": (1,)}
        before = dict(given)
        await things.insert([given])
        assert given == before


CHANGED: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({"n": 1}, {"$set": {"n": 2, "s": "x"}}, {"n": 2, "s": "x"}),
    ({}, {"$set": {"a.b.c": 1}}, {"a": {"b": {"c": 1}}}),
    ({"a": {"x": 1, "b": 1}}, {"$set": {"a.b": 2}}, {"a": {"x": 1, "b": 2}}),
    ({"a": {"x": 1}}, {"$set": {"a": {"y": 2}}}, {"a": {"y": 2}}),
    ({"a": 1, "b": 2}, {"$unset": {"a": "", "none": ""}}, {"b": 2}),
    ({"a": {"x": 1, "y": 2}}, {"$unset": {"a.x": ""}}, {"a": {"y": 2}}),
    ({"b": 1}, {"$unset": {"a.x.y": ""}}, {"b": 1}),
    ({"n": 1}, {"$inc": {"n": 2, "m": -1}}, {"n": 3, "m": -1}),
    ({"n": 1}, {"$inc": {"n": 0.5, "a.b": 1}}, {"n": 1.5, "a": {"b": 1}}),
    ({}, {"$push": {"l": 1}}, {"l": [1]}),
    ({"l": [1]}, {"$push": {"l": [2]}}, {"l": [1, [2]]}),
    ({"l": [1]}, {"$push": {"l": {"k": 1}}}, {"l": [1, {"k": 1}]}),
    ({"n": 5, "m": 5}, {"$max": {"n": 3, "m": 8, "new": 1}}, {"n": 5, "m": 8, "new": 1}),
    ({"n": None}, {"$max": {"n": 3}}, {"n": 3}),
    ({"d": DAY}, {"$max": {"d": DAY + timedelta(days=1)}}, {"d": DAY + timedelta(days=1)}),
    ({"n": 1}, {"$setOnInsert": {"n": 9}}, {"n": 1}),
    (
        {"n": 1},
        {"$set": {"s": 1}, "$inc": {"n": 1}, "$unset": {"x": ""}, "$push": {"l": 1}, "$max": {"m": 1}},
        {"n": 2, "l": [1], "m": 1, "s": 1},
    ),
    ({"z": 1}, {"$set": {"y": 1, "b": {"z": 1, "a": 1}}, "$inc": {"c": 1}}, {"z": 1, "b": {"z": 1, "a": 1}, "c": 1, "y": 1}),
    ({}, {"$set": {}}, {}),
    ({"n": 1}, {"$set": {"n": [{"x": 1}], "m": {}}}, {"n": [{"x": 1}], "m": {}}),
]


class TestChange:
    @pytest.mark.parametrize(("before", "change", "after"), CHANGED, ids=[str(change) for _, change, _ in CHANGED])
    async def test_a_change(self, things: Collection, before: Doc, change: dict[str, Any], after: Doc) -> None:
        await things.insert([{"_id": "1", **before}])
        assert await things.update({"_id": "1"}, change) == 1
        doc = await one(things)
        assert doc == {"_id": "1", **after}
        assert list(doc) == ["_id", *after]

    @pytest.mark.parametrize(
        ("before", "change"),
        [
            ({}, {}),
            ({}, {"$rename": {"a": "b"}}),
            ({}, {"$pull": {"a": 1}}),
            ({}, {"plain": 1}),
            ({}, {"$set": {"_id": "2"}}),
            ({}, {"$set": {"a": 1}, "$inc": {"a": 1}}),
            ({}, {"$set": {"a": 1, "a.b": 1}}),
            ({}, {"$push": {"a": {"$each": [1]}}}),
            ({}, {"$max": {"a": ServerNow()}}),
            ({}, {"$set": {"a": ServerNow()}, "$push": {"l": 1}}),
            ({}, {"$set": {"a": ServerNow()}, "$inc": {"n": 1}}),
            ({}, {"$set": {"a": ServerNow(), "b.c": 1}}),
            ({}, {"$set": {"": 1}}),
            ({}, {"$set": {"a..b": 1}}),
            ({}, {"$unset": {"a.": ""}}),
            ({}, {"$set": {"a.$": 1}}),
            ({"a": [1]}, {"$set": {"a.0": 1}}),
            ({}, {"$set": {"_id.x": 1}}),
            ({}, {"$set": {"_id.{x}": 1}}),
            ({}, {"$set": {"{}.0": 1}}),
            ({}, {"$set": {"a": "\ud800"}}),
            ({"a": 2**63 - 1}, {"$inc": {"a": 1}}),
            ({}, {"$set": {"a": object()}}),
            ({"a": 1}, {"$set": {"a.b": 1}}),
            ({"a": [1]}, {"$set": {"a.b": 1}}),
            ({"a": "text"}, {"$inc": {"a": 1}}),
            ({"a": None}, {"$inc": {"a": 1}}),
            ({}, {"$inc": {"a": "1"}}),
            ({}, {"$inc": {"a": True}}),
            ({"a": 1}, {"$push": {"a": 1}}),
        ],
        ids=str,
    )
    async def test_what_cannot_be_changed_is_refused_and_changes_nothing(
        self, things: Collection, before: Doc, change: dict[str, Any]
    ) -> None:
        await things.insert([{"_id": "1", **before}])
        for write in (things.update({}, change), things.take({}, change), things.bulk([Update({}, change)])):
            with pytest.raises(BadInput):
                await write
        assert await one(things) == {"_id": "1", **before}

    async def test_how_many_matched(self, things: Collection) -> None:
        await things.insert([{"_id": str(n), "state": "ready" if n < 3 else "done"} for n in range(5)])
        assert await things.update({"state": "ready"}, {"$set": {"state": "ready"}}) == 3
        assert await things.update({"state": "none"}, {"$set": {"n": 1}}) == 0
        assert await things.update({"state": "ready"}, {"$set": {"state": "done"}}) == 3
        assert await things.count({"state": "done"}) == 5
        assert await things.delete({"state": "done", "_id": {"$gt": "2"}}) == 2
        assert await things.delete({"state": "none"}) == 0

    async def test_the_servers_time_is_written(self, things: Collection) -> None:
        await things.insert([{"_id": "1", "n": 1, "gone": 1, "a": {"x": 1}}])
        before = datetime.now(UTC)
        change = {"$set": {"due_at": ServerNow(60), "now": ServerNow(), "s": "$n", "a": {"y": 2}}, "$unset": {"gone": ""}}
        assert await things.update({"_id": "1"}, change) == 1
        doc = await one(things)
        assert abs((doc.pop("due_at") - before).total_seconds() - 60) < 2
        assert abs((doc.pop("now") - before).total_seconds()) < 2
        assert doc == {"_id": "1", "n": 1, "s": "$n", "a": {"y": 2}}

    async def test_a_filter_sees_the_index_follow_the_change(self, things: Collection) -> None:
        await things.insert([{"_id": "1", "state": "a", "tags": ["x", "y"], "a": {"b": 1}, "due_at": DAY}])
        await things.update({"state": "a"}, {"$set": {"state": "b", "a.b": 2}, "$push": {"tags": "z"}, "$unset": {"due_at": ""}})
        assert [await things.count(where) for where in ({"state": "a"}, {"a.b": 1}, {"due_at": {"$lte": ServerNow()}})] == [0, 0, 0]
        assert [await things.count(where) for where in ({"state": "b"}, {"a.b": 2}, {"tags": "x"}, {"tags": "z"}, {"due_at": None})] == [
            1
        ] * 5
        await things.update({"state": "b"}, {"$set": {"due_at": ServerNow(-1)}})
        assert await things.count({"due_at": {"$lte": ServerNow()}}) == 1
        await things.delete({})
        assert await things.count({"state": "b"}) == 0


class TestTake:
    async def test_it_is_returned_as_it_is_afterwards(self, things: Collection) -> None:
        await things.insert([{"_id": "1", "state": "ready", "n": 1}])
        assert await things.take({"_id": "1", "state": "ready"}, {"$set": {"state": "running"}, "$inc": {"n": 1}}) == {
            "_id": "1",
            "state": "running",
            "n": 2,
        }
        assert await things.take({"_id": "1", "state": "ready"}, {"$set": {"state": "running"}}) is None

    async def test_of_many_who_want_it_one_gets_it(self, things: Collection) -> None:
        await things.insert([{"_id": "1", "state": "ready"}])
        takes = (things.take({"_id": "1", "state": "ready"}, {"$set": {"state": "running", "by": n}}) for n in range(8))
        won = [doc for doc in await asyncio.gather(*takes) if doc]
        assert len(won) == 1
        assert (await one(things))["by"] == won[0]["by"]

    async def test_of_many_matches_one_is_changed(self, things: Collection) -> None:
        await things.insert([{"_id": str(n), "state": "ready"} for n in range(3)])
        taken = await things.take({"state": "ready"}, {"$set": {"state": "running"}})
        assert taken is not None
        assert [doc["_id"] for doc in await things.find({"state": "running"})] == [taken["_id"]]

    async def test_inserts_at_once_have_one_winner_each(self, things: Collection) -> None:
        lost = await asyncio.gather(*(things.insert([{"_id": str(n), "by": who} for n in range(20)]) for who in range(4)))
        assert sum(len(ids) for ids in lost) == 60
        assert await things.count({}) == 20

    async def test_additions_at_once_all_count(self, things: Collection) -> None:
        await things.insert([{"_id": "1"}])
        await asyncio.gather(*(things.update({"_id": "1"}, {"$inc": {"n": 1}, "$push": {"l": n}}) for n in range(25)))
        doc = await one(things)
        assert (doc["n"], sorted(doc["l"])) == (25, list(range(25)))


class TestBulk:
    async def test_in_order_and_how_many(self, things: Collection) -> None:
        await things.insert([{"_id": "1", "n": 0}, {"_id": "2", "n": 0}])
        done = await things.bulk(
            [
                Update({"_id": "1"}, {"$set": {"n": 1}}),
                Update({"n": 1}, {"$inc": {"n": 10}}),
                Update({"_id": "none"}, {"$set": {"n": 1}}),
                Update({"n": {"$gte": 0}}, {"$push": {"l": 1}}),
                Update({"_id": "2"}, {"$set": {"due_at": ServerNow()}}),
            ]
        )
        assert done == 5
        assert (await one(things, "1")) == {"_id": "1", "n": 11, "l": [1]}
        assert await things.count({}) == 2

    async def test_fields_of_their_own_for_each_that_still_matches(self, things: Collection) -> None:
        ids = [str(number) for number in range(8)]
        await things.insert([{"_id": one, "state": "running" if one != "3" else "lost", "due_at": DAY, "old": {"a": 1}} for one in ids])
        ends: list[Any] = [{"y": {"$a": 1}, "b.c": {}}, "$old", "$$ROOT", {"a": None}, [{"b": []}], nested(90), DAY, {"x": "y" * 2_000}]
        own = [{"state": "done", "old": end, **({"n": 1} if one == "2" else {})} for one, end in zip(ids, ends, strict=True)]
        where = [{"_id": one, "state": "running"} for one in [*ids[:-1], "none"]]
        updates = [Update(one, {"$set": fields, "$unset": {"due_at": ""}}) for one, fields in zip(where, own, strict=True)]
        assert await things.bulk(updates) == 6
        found = {doc["_id"]: doc for doc in await things.find({})}
        assert [found[one] for one in ids] == [
            {"_id": one, "state": "lost" if one == "3" else "running", "due_at": DAY, "old": {"a": 1}}
            if one in "37"
            else {"_id": one, **fields}
            for one, fields in zip(ids, own, strict=True)
        ]

    async def test_very_much_at_once(self, things: Collection) -> None:
        ids = [str(number) for number in range(40)]
        await things.insert([{"_id": one} for one in ids])
        assert await things.bulk([Update({"_id": one}, {"$set": {"text": one + "x" * 2**19}}) for one in ids]) == 40
        assert {doc["_id"]: len(doc["text"]) for doc in await things.find({})} == {one: len(one) + 2**19 for one in ids}

    async def test_more_of_them_than_go_together(self, things: Collection) -> None:
        ids = [str(number) for number in range(2_500)]
        await things.insert([{"_id": one} for one in ids])
        assert await things.bulk([Update({"_id": one}, {"$set": {"n": int(one)}}) for one in ids]) == 2_500
        assert {doc["_id"]: str(doc["n"]) for doc in await things.find({})} == dict(zip(ids, ids, strict=True))

    @pytest.mark.parametrize("value", [2**63, "\ud800", object()], ids=["number", "text", "object"])
    async def test_one_that_cannot_be_kept_is_refused_in_company_too(self, things: Collection, value: Any) -> None:
        ids = [str(number) for number in range(6)]
        await things.insert([{"_id": one} for one in ids])
        with pytest.raises(BadInput):
            await things.bulk([Update({"_id": one}, {"$set": {"a": value if one == "2" else 1}}) for one in ids])

    async def test_one_that_is_too_large_is_refused_in_company_too(self, both: tuple[Collection, Collection]) -> None:
        _, things = both  # the twin has no limit
        ids = [str(number) for number in range(6)]
        await things.insert([{"_id": one} for one in ids])
        with pytest.raises(BadInput):
            await things.bulk([Update({"_id": one}, {"$set": {"a": "x" * (2**24 + 4_096 if one == "2" else 1)}}) for one in ids])

    async def test_filters_with_the_servers_time(self, things: Collection) -> None:
        ids = [str(number) for number in range(6)]
        await things.insert([{"_id": one, "due_at": DAY} for one in ids])
        due = {"due_at": {"$lte": ServerNow()}}
        for where in (due, {"$or": [due, {"n": 1}]}):
            assert await things.bulk([Update({"_id": one, **where}, {"$set": {"n": int(one)}}) for one in ids]) == 6

    async def test_what_is_equal_in_python_is_not_the_same_there(self, things: Collection) -> None:
        ids = [str(number) for number in range(6)]
        await things.insert([{"_id": one, "flag": one in "024"} for one in ids])
        updates = [Update({"_id": one, "flag": True if one in "024" else 1}, {"$set": {"n": 1}}) for one in ids]
        assert await things.bulk(updates) == 3

    @pytest.mark.parametrize("levels", [150, 175, 250])
    async def test_one_that_is_nested_deeply_says_what_it_says_alone(self, things: Collection, levels: int) -> None:
        ids = [str(number) for number in range(6)]
        await things.insert([{"_id": one} for one in ids])
        updates = [Update({"_id": one}, {"$set": {"a": nested(levels if one == "2" else 1)}}) for one in ids]
        try:
            alone = await things.bulk(updates[2:3])
        except BadInput:
            alone = 0
            with pytest.raises(BadInput):
                await things.bulk(updates)
        else:
            assert await things.bulk(updates) == 6
        assert alone == (levels < 180)

    async def test_a_relaxed_write_is_seen_and_counted_like_any_other(self, things: Collection) -> None:
        await things.insert([{"_id": "1", "n": 0}])
        assert await things.bulk([Update({"_id": "1"}, {"$inc": {"n": 1}})], relaxed=True) == 1
        assert await things.bulk([Update({"_id": "1", "n": 1}, {"$inc": {"n": 1}})]) == 1
        assert (await one(things))["n"] == 2

    async def test_an_upsert_makes_what_is_missing(self, things: Collection) -> None:
        change = {"$setOnInsert": {"first": 1, "a.c": 2}, "$inc": {"count": 1}, "$set": {"last": 1}}
        upsert = Update({"_id": "1", "kind": "x", "a.b": 1, "n": {"$exists": False}}, change, upsert=True)
        assert await things.bulk([upsert]) == 1
        assert await one(things) == {"_id": "1", "kind": "x", "a": {"b": 1, "c": 2}, "count": 1, "first": 1, "last": 1}
        assert await things.bulk([upsert, upsert]) == 2
        assert (await one(things))["count"] == 3

    async def test_an_upsert_of_what_is_there_but_does_not_match_changes_nothing(self, things: Collection) -> None:
        await things.insert([{"_id": "1", "state": "done"}])
        updates = [
            Update({"_id": "0"}, {"$set": {"n": 1}}, upsert=True),
            Update({"_id": "1", "state": "ready"}, {"$set": {"n": 1}}, upsert=True),
            Update({"_id": "2"}, {"$set": {"n": 1}}, upsert=True),
            Update({"_id": "2"}, {"$inc": {"n": 1}}),
        ]
        assert await things.bulk(updates) == 3
        assert {doc["_id"]: doc.get("n") for doc in await things.find({})} == {"0": 1, "1": None, "2": 2}

    async def test_upserts_at_once_make_one(self, things: Collection) -> None:
        upsert = Update({"_id": "1"}, {"$setOnInsert": {"first": 1}, "$inc": {"count": 1}}, upsert=True)
        await asyncio.gather(*(things.bulk([upsert]) for _ in range(10)))
        assert await one(things) == {"_id": "1", "first": 1, "count": 10}

    async def test_an_upsert_without_an_id_is_refused(self, things: Collection) -> None:
        with pytest.raises(BadInput):
            await things.bulk([Update({"state": "ready"}, {"$set": {"n": 1}}, upsert=True)])

    async def test_servers_time_in_an_upsert(self, things: Collection) -> None:
        await things.bulk([Update({"_id": "1", "kind": "x"}, {"$set": {"at": ServerNow(), "n": 1}}, upsert=True)])
        doc = await one(things)
        assert abs((doc.pop("at") - datetime.now(UTC)).total_seconds()) < 2
        assert doc == {"_id": "1", "kind": "x", "n": 1}


async def test_preparing_twice_and_at_once_is_harmless(database: Database, things: Collection) -> None:
    from tests.contracts.store.conftest import THINGS  # noqa: PLC0415

    await asyncio.gather(*(database.ensure([THINGS]) for _ in range(3)))
    await database.ready()
    await things.insert([{"_id": "1"}])
    assert await database[things.name].count({}) == 1
