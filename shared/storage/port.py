"""What a store needs of a database: sets in, sets out. Filters and changes are MongoDB's own language, a small part of it.

Filters: equality, $eq, $in, $nin, $ne, $gt, $gte, $lt, $lte, $exists, $regex, $or, $text. Changes: $set, $unset, $inc, $push, $setOnInsert,
$max, through documents but not into arrays. What else is asked for is refused with BadInput (`language`).
`ServerNow(seconds)` may stand for a date with $lt or $lte, or in `$set`: the server's clock decides, never ours. Dates have milliseconds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

Doc = dict[str, Any]
Where = Mapping[str, Any]
Change = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ServerNow:
    """The server's time at the moment of the operation, plus `seconds`."""

    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Read:
    """What is to be read of one collection, as `Collection.find` takes it; `$text` is not among it."""

    name: str
    where: Where
    fields: Sequence[str] = ()
    sort: Sequence[tuple[str, int]] = ()
    limit: int = 0


@dataclass(frozen=True, slots=True)
class Update:
    """One change to every document that matches."""

    where: Where
    change: Change
    upsert: bool = False


@dataclass(frozen=True, slots=True)
class Index:
    """An index; `partial` keeps it as small as the documents that have the first field, `unique` makes a second insert lose."""

    keys: tuple[tuple[str, int | str], ...]
    unique: bool = False
    partial: bool = False
    expire_after: int | None = None


@dataclass(frozen=True, slots=True)
class Schema:
    """A collection and its indexes, owned by one service."""

    name: str
    indexes: tuple[Index, ...] = field(default=())


class Collection(Protocol):
    """A set of documents. Every write is durable (majority, journaled) before it returns; raises StoreUnavailable when that fails.

    `relaxed` writes return once the primary has them: only for one that a durable write of the same caller follows, which covers both.
    """

    name: str

    async def find(
        self, where: Where, fields: Sequence[str] = (), *, sort: Sequence[tuple[str, int]] = (), limit: int = 0, skip: int = 0
    ) -> list[Doc]:
        """All that match; only `_id` and `fields`, if any are named."""

    async def insert(self, docs: Sequence[Doc]) -> set[str]:
        """Insert all; the ids that were there already come back, untouched: somebody else won them."""

    async def update(self, where: Where, change: Change) -> int:
        """Change every match; how many matched."""

    async def bulk(self, updates: Sequence[Update], *, relaxed: bool = False) -> int:
        """Several updates in one round trip, in order; how many documents matched or were upserted.

        Those that follow each other and differ in `_id` and the fields of `$set` only may be done together, in any order.

        An upsert whose `_id` is there, in a document that its filter does not match, changes nothing.
        """

    async def take(self, where: Where, change: Change) -> Doc | None:
        """Change one match and return it as it is afterwards; None when nothing matched."""

    async def delete(self, where: Where) -> int:
        """Delete every match; how many went."""

    async def count(self, where: Where) -> int:
        """How many match."""

    async def count_by(self, where: Where, field: str) -> dict[Any, int]:
        """How many match, by the value of one of their fields."""


class Database(Protocol):
    """All collections of one deployment."""

    def __getitem__(self, name: str) -> Collection:
        """The collection of that name."""

    async def read(self, reads: Sequence[Read]) -> list[list[Doc]]:
        """What each of these finds, in one round trip: one after the other, so that none is older than those before it.

        For a few documents of several collections; many are read with less work by one `find` for each.
        """

    async def ready(self) -> None:
        """Return once a primary answers, and set the clock by it; raises StoreUnavailable."""

    async def ensure(self, schemas: Sequence[Schema]) -> None:
        """Create what is missing of these collections and indexes."""

    async def close(self) -> None:
        """Let go of all connections."""


async def one_by_one(database: Database, reads: Sequence[Read]) -> list[list[Doc]]:
    """`Database.read` by `Collection.find`, where a round trip costs nothing."""
    return [await database[one.name].find(one.where, one.fields, sort=one.sort, limit=one.limit) for one in reads]
