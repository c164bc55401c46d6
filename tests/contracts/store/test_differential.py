"""Random operations on the twin and on MongoDB must give the same results: else the simulation would prove nothing about production.

TASKGROVE_TEST_OPERATIONS (300) says how many, TASKGROVE_TEST_SEED which; a failure names both.
"""

import os
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.errors import BadInput
from shared.storage.port import Collection, Doc, ServerNow, Update

IDS = [f"r{run}{path}" for run in "ab" for path in ("", ".1", ".2", ".10", ".1.1", ".1.v2-3")]
FIELDS = ["state", "n", "tags", "due_at", "a", "a.b", "a.c.d", "items", "items.k", "flag"]
PLAIN = ["state", "n", "flag", "due_at", "a.b", "a.c.d", "m.x"]
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
NEVER = datetime(2999, 1, 1, tzinfo=UTC)


class Chance:
    """Everything random in one place, from one seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 (a test's dice)

    def pick(self, *options: Any) -> Any:
        return self.random.choice(options)

    def some(self, options: list[str]) -> list[str]:
        return self.random.sample(options, self.random.randint(0, min(4, len(options))))

    def scalar(self) -> Any:
        when = self.pick(LONG_AGO, NEVER) + timedelta(microseconds=self.random.randint(0, 3_000))
        return self.pick(None, True, False, 0, 1, 2, -1, 1.0, 2.5, "", "ready", "running", "done", "x", when)

    def value(self) -> Any:
        return self.pick(
            self.scalar(),
            self.scalar(),
            [],
            [self.scalar(), self.scalar()],
            {},
            {"b": self.scalar()},
            {"b": self.scalar(), "c": {"d": self.scalar()}},
            [{"k": self.scalar()}, {"b": self.scalar()}, self.scalar()],
        )

    def doc(self) -> Doc:
        names = ["state", "n", "tags", "due_at", "a", "items", "flag"]
        return {"_id": self.pick(*IDS), **{name: self.value() for name in self.some(names)}}

    def condition(self) -> Any:
        bound = self.pick(0, 1, 2.5, "m", "ready", LONG_AGO, NEVER, True)
        return self.pick(
            self.value(),
            self.scalar(),
            {"$eq": self.value()},
            {"$ne": self.value()},
            {"$in": [self.scalar(), self.value()]},
            {"$nin": [self.scalar(), self.scalar()]},
            {"$in": ["ready", "done"]},
            {self.pick("$gt", "$gte", "$lt", "$lte"): bound},
            {"$gte": 0, "$lt": self.pick(1, 2, 3)},
            {"$exists": self.pick(True, False)},
            {"$regex": self.pick("^r", "(?i)READY", "n")},
        )

    def where(self) -> Doc:
        where: Doc = {field: self.condition() for field in self.some(FIELDS)[: self.random.randint(0, 2)]}
        by_id = self.pick(None, None, self.pick(*IDS), {"$in": self.some(IDS)}, {"$gt": "ra.", "$lt": "ra/"})
        if by_id is not None:
            where["_id"] = by_id
        if self.random.random() < 0.15:
            where["$or"] = [{self.pick(*FIELDS): self.condition()}, {self.pick(*FIELDS): self.condition()}]
        if self.random.random() < 0.1:
            where["due_at"] = {"$lte": ServerNow(self.pick(0, 60, -5))}
        return where

    def change(self) -> dict[str, Any]:
        change: dict[str, Any] = {}
        for path in self.random.sample([*PLAIN, "tags", "items", "a"], self.random.randint(1, 3)):
            operator = self.pick("$set", "$set", "$set", "$unset", "$inc", "$push", "$max", "$setOnInsert")
            operand = self.pick(1, 2, 0.5) if operator == "$inc" else self.value()
            change.setdefault(operator, {})[path] = operand
        return change

    def update(self) -> Update:
        if self.random.random() < 0.3:
            return Update({"_id": self.pick(*IDS), **self.pick({}, {"state": "ready"}, {"n": {"$gt": 0}})}, self.change(), upsert=True)
        return Update(self.where(), self.change())


Operation = Callable[[Collection], Awaitable[Any]]


def operation(chance: Chance) -> tuple[str, Operation]:  # noqa: PLR0911 (one return a kind)
    """One random operation, and how to show it."""
    where = chance.where()
    kind = chance.pick("insert", "insert", "find", "find", "find", "sorted", "count", "update", "update", "bulk", "take", "delete")
    match kind:
        case "insert":
            docs = [chance.doc() for _ in range(chance.random.randint(1, 4))]
            return f"insert {docs}", lambda c: c.insert(docs)
        case "sorted":
            sort = [(field, chance.pick(1, -1)) for field in chance.random.sample(["n", "state", "a.b", "due_at", "tags"], 1)] + [
                ("_id", 1)
            ]
            skip, limit = chance.pick(0, 0, 2), chance.pick(0, 3)
            return f"find {where} by {sort} from {skip}, {limit} at most", lambda c: c.find(where, sort=sort, skip=skip, limit=limit)
        case "find":
            fields = [field for field in chance.some(FIELDS) if field not in ("a", "items")]
            return f"find {where} only {fields}", lambda c: c.find(where, fields, sort=[("_id", 1)])
        case "count":
            return f"count {where}", lambda c: c.count(where)
        case "update":
            change = chance.change()
            return f"update {where} by {change}", lambda c: c.update(where, change)
        case "bulk":
            updates = [chance.update() for _ in range(chance.random.randint(1, 3))]
            return f"bulk {updates}", lambda c: c.bulk(updates)
        case "take":
            narrow, change = {**where, "_id": chance.pick(*IDS)}, chance.change()
            return f"take {narrow} by {change}", lambda c: c.take(narrow, change)
    narrow = {**where, "_id": chance.pick(*IDS)}
    return f"delete {narrow}", lambda c: c.delete(narrow)


async def outcome(collection: Collection, run: Operation) -> Any:
    try:
        return await run(collection)
    except BadInput:
        return "refused"


def exact(result: Any) -> str:
    """A result with the order of its keys and the kinds of its numbers."""
    if isinstance(result, dict):
        return "{" + ", ".join(f"{key}: {exact(value)}" for key, value in result.items()) + "}"
    if isinstance(result, list):
        return "[" + ", ".join(exact(item) for item in result) + "]"
    return repr(sorted(result)) if isinstance(result, set) else repr(result)


async def test_random_operations_give_the_same(both: tuple[Collection, Collection]) -> None:
    operations = int(os.environ.get("TASKGROVE_TEST_OPERATIONS", "300"))
    seed = int(os.environ.get("TASKGROVE_TEST_SEED", "0")) or random.SystemRandom().randint(1, 10**9)
    chance, (twin, real) = Chance(seed), both
    everything: Operation = lambda c: c.find({}, sort=[("_id", 1)])  # noqa: E731
    refused = 0
    for number in range(operations):
        told, run = operation(chance)
        where = f"seed {seed}, operation {number}: {told}"
        got, wanted = await outcome(twin, run), await outcome(real, run)
        assert exact(got) == exact(wanted), where
        refused += got == "refused"
        if not told.startswith(("find", "count")):
            if got == "refused":  # what a refused bulk had done before is not promised; start again from the same place
                await twin.delete({})
                await twin.insert(await real.find({}))
            assert exact(await everything(twin)) == exact(await everything(real)), f"after {where}"
    assert refused < operations / 3, "nearly everything was refused: this run showed nothing"
