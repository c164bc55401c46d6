"""Random operations on a store, from one seed: documents, filters, changes and readings, good ones and such as must be refused."""

import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.storage.port import Collection, Doc, Index, Schema, ServerNow, Update

IDS = [f"r{run}{path}" for run in "ab" for path in ("", ".1", ".2", ".10", ".1.1", ".1.v2-3")]
FIELDS = ["state", "n", "tags", "due_at", "a", "a.b", "a.c.d", "items", "items.k", "flag"]
PLAIN = ["state", "n", "flag", "due_at", "a.b", "a.c.d", "m.x"]
SORTED = ["n", "rank", "state", "a.b", "due_at", "tags", "items.k"]
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
NEVER = datetime(2999, 1, 1, tzinfo=UTC)
SPECIAL = (float("nan"), -0.0, 2**53 + 1, 2**63 - 1, b"", b"zz", b"aaa", "ä", "a\0b")
WORDS = ("disk", "full", "node", "seven", "lease", "Überlauf")
ODD_PATHS = ("", "a..b", ".a", "a.", "$n", "a.$", "tags.0", "_id", "_id.x")
UNKEPT = ("\ud800", 2**63, {"x": {1}}, object())

INDEXES = (
    Index((("state", 1),)),
    Index((("tags", 1),)),
    Index((("due_at", 1),), partial=True),
    Index((("a.b", 1),)),
    Index((("rank", 1), ("state", -1))),
    Index((("only", 1),), unique=True, partial=True),
    Index((("message", "text"),)),
)

Operation = Callable[[Collection], Awaitable[Any]]


def schema(name: str) -> Schema:
    """A collection with every kind of index."""
    return Schema(name, INDEXES)


def nested(levels: int) -> Any:
    """Documents inside documents."""
    value: Any = 1
    for _ in range(levels):
        value = {"x": value}
    return value


class Dice:
    """Everything random in one place."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 (a test's dice)

    def pick(self, *options: Any) -> Any:
        return self.random.choice(options)

    def seldom(self) -> bool:
        return self.random.random() < 0.03

    def some(self, options: list[str]) -> list[str]:
        return self.random.sample(options, self.random.randint(0, min(4, len(options))))

    def scalar(self) -> Any:
        if self.seldom():
            return self.pick(*SPECIAL)
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
        doc = {"_id": self.pick(*IDS), **{name: self.value() for name in self.some(names)}}
        if self.random.random() < 0.3:
            doc["rank"] = self.pick(1, 2, None)
        if self.random.random() < 0.3:
            doc["message"] = " ".join(self.random.sample(WORDS, 3))
        if self.random.random() < 0.3:
            doc["only"] = self.pick("x", "y", "z", 1, 1.0, None)
        if self.seldom():
            doc["odd"] = self.pick(*UNKEPT, nested(150), nested(180), nested(250))
        return doc

    def condition(self) -> Any:
        bound = self.pick(0, 1, 2.5, "m", "ready", LONG_AGO, NEVER, True, *((*SPECIAL, [0], {"b": 0}) if self.seldom() else ()))
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
            {"$regex": self.pick("^r", "(?i)READY", "n", "(")},
        )

    def where(self) -> Doc:
        where: Doc = {field: self.condition() for field in self.some(FIELDS)[: self.random.randint(0, 2)]}
        by_id = self.pick(None, None, self.pick(*IDS), {"$in": self.some(IDS)}, {"$gt": "ra.", "$lt": "ra/"}, {"$gte": "ra.1", "$lt": "rb"})
        if by_id is not None:
            where["_id"] = by_id
        if self.random.random() < 0.1:
            where |= {"rank": self.pick(1, 2), "state": self.pick("ready", "done")}
        if self.random.random() < 0.15:
            where["$or"] = [{self.pick(*FIELDS): self.condition()}, {self.pick(*FIELDS): self.condition()}]
        if self.random.random() < 0.1:
            where["due_at"] = {self.pick("$lte", "$lt"): ServerNow(self.pick(0, 60, -5))}
        if self.random.random() < 0.05:
            where |= {"$text": {"$search": self.words()}}
        return where

    def words(self) -> str:
        one, other = self.random.sample(WORDS, 2)
        phrase = f'"{one} {other}"'
        return str(self.pick(one, f"{one} {other}", phrase, f"{phrase} {other}", f"{one} -{other}", f"-{one}", one.upper()))

    def change(self) -> dict[str, Any]:
        if self.random.random() < 0.05:
            return {"$set": {"now": ServerNow(), "z": self.value(), "b": 1}, "$unset": {"state": ""}}
        change: dict[str, Any] = {}
        for path in self.random.sample([*PLAIN, "tags", "items", "a"], self.random.randint(1, 3)):
            operator = self.pick("$set", "$set", "$set", "$unset", "$inc", "$push", "$max", "$setOnInsert")
            operand = self.pick(1, 2, 0.5, 2**62) if operator == "$inc" else self.value()
            change.setdefault(operator, {})[path] = operand
        if self.random.random() < 0.1:
            change.setdefault("$set", {})["only"] = self.pick("x", "y", "z", 1)
        if self.seldom():
            change.setdefault("$set", {})[self.pick(*ODD_PATHS, "odd")] = self.pick(1, *UNKEPT, nested(150), nested(250))
        return change

    def update(self) -> Update:
        if self.random.random() < 0.3:
            return Update({"_id": self.pick(*IDS), **self.pick({}, {"state": "ready"}, {"n": {"$gt": 0}})}, self.change(), upsert=True)
        return Update(self.where(), self.change())

    def of_any(self) -> list[Update]:
        """A few, each of its kind."""
        return [self.update() for _ in range(self.random.randint(1, 3))]

    def of_each(self) -> list[Update]:
        """So many of one kind, with fields of their own, that the real one makes one of them."""
        common, gone = self.pick({}, {"state": "ready"}, {"n": {"$gt": 0}}), self.pick({}, {"$unset": {"due_at": "", "tags": ""}})
        updates = [Update({"_id": name, **common}, {"$set": self.own_fields(), **gone}) for name in self.random.sample(IDS, 6)]
        return [*updates, *self.pick([], [], [self.update()], [Update(updates[0].where, {"$set": {"n": 7}, **gone})])]

    def own_fields(self) -> Doc:
        """Whole fields; one of them is always there."""
        fields = {name: self.value() for name in self.some(["n", "a", "items", "flag", "end"])}
        if self.seldom():
            fields["odd"] = self.pick(*UNKEPT, nested(150), nested(250))
        return {**fields, "state": self.pick("ready", "done", "$state", "$$ROOT", None)}

    def sort(self) -> list[tuple[str, int]]:
        wanted = self.random.sample(SORTED, self.pick(1, 1, 1, 2))
        if self.seldom():
            wanted.append(self.pick(*ODD_PATHS))
        return [*((field, self.pick(1, -1)) for field in wanted if field != "_id"), ("_id", self.pick(1, -1))]

    def fields(self) -> list[str]:
        wanted = self.some(FIELDS)
        return [*wanted, self.pick(*ODD_PATHS)] if self.seldom() else wanted


def operation(dice: Dice) -> tuple[str, Operation]:
    """One random operation, and how to show it."""
    kind = dice.pick("insert", "insert", "find", "find", "sorted", "count", "count_by", "update", "update", "bulk", "take", "delete")
    where = dice.where()
    if kind in ("find", "sorted", "count", "count_by"):
        return _reading(dice, kind, where)
    return _writing(dice, kind, where)


def _reading(dice: Dice, kind: str, where: Doc) -> tuple[str, Operation]:
    match kind:
        case "sorted":
            sort, skip, limit = dice.sort(), dice.pick(0, 0, 2), dice.pick(0, 3)
            if isinstance(where.get("_id"), str):  # there MongoDB does not sort, so that it does not see that it could not
                sort = sort[-1:]
            return f"find {where} by {sort} from {skip}, {limit} at most", lambda c: c.find(where, sort=sort, skip=skip, limit=limit)
        case "find":
            fields = dice.fields()
            return f"find {where} only {fields}", lambda c: c.find(where, fields, sort=[("_id", 1)])
        case "count":
            return f"count {where}", lambda c: c.count(where)
    return f"count {where} by the field only", lambda c: c.count_by(where, "only")


def _writing(dice: Dice, kind: str, where: Doc) -> tuple[str, Operation]:
    match kind:
        case "insert":
            docs = [dice.doc() for _ in range(dice.random.randint(1, 4))]
            return f"insert {docs}", lambda c: c.insert(docs)
        case "update":
            change = dice.change()
            return f"update {where} by {change}", lambda c: c.update(where, change)
        case "bulk":
            updates = dice.pick(dice.of_each, dice.of_any)()
            return f"bulk {updates}", lambda c: c.bulk(updates)
        case "take":
            one, change = {**where, "_id": dice.pick(*IDS)}, dice.change()
            return f"take {one} by {change}", lambda c: c.take(one, change)
    one = {**where, "_id": dice.pick(*IDS)}
    return f"delete {one}", lambda c: c.delete(one)
