"""The port on a real MongoDB, by pymongo's async client: majority and journaled writes, short time-outs, the server's clock."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC
from typing import Any

from bson.codec_options import CodecOptions
from bson.errors import BSONError
from pymongo import AsyncMongoClient, ReadPreference, ReturnDocument, UpdateMany, WriteConcern, timeout
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import BulkWriteError, ConfigurationError, OperationFailure, PyMongoError

from shared.clock import ServerClock
from shared.errors import BadInput, StoreUnavailable
from shared.storage.language import check_docs, check_grouping, check_reading, check_update
from shared.storage.port import Change, Collection, Doc, Read, Schema, Update, Where
from shared.storage.together import runs, together
from shared.storage.translation import in_turn, server_change, server_where
from shared.storage.whole import never_cancelled

DURABLE = WriteConcern("majority", j=True, wtimeout=10_000)
RELAXED = WriteConcern(1)
DUPLICATE = 11_000
HELLO_SECONDS = 3.0
CLOSE_SECONDS = 1.0
# BadValue, FailedToParse, TypeMismatch, Overflow (nested too deep), InvalidBSON, PathNotViable, ConflictingUpdateOperators,
# DollarPrefixedFieldName, EmptyFieldName, DottedFieldName, ImmutableField, CannotIndexParallelArrays, too large, taken by another document,
# bad $regex, ambiguous field name: what was asked for is wrong, and asking again changes nothing.
OUR_FAULT = frozenset({2, 9, 14, 15, 22, 28, 40, 52, 56, 57, 66, 171, 10_334, DUPLICATE, 16_746, 17_280, 17_419, 17_420, 51_091})
BATCH = 10_000


class MongoDatabase:
    """One client a process, made inside its running loop."""

    def __init__(self, url: str, name: str, clock: ServerClock) -> None:
        try:
            self._client: AsyncMongoClient[Doc] = AsyncMongoClient(
                url, serverSelectionTimeoutMS=3_000, connectTimeoutMS=3_000, timeoutMS=15_000, tz_aware=True, appname="taskgrove"
            )
        except (ConfigurationError, ValueError) as error:
            mend = "write special characters in the password as %XX"
            raise BadInput(f"TASKGROVE_STORE_URL is no address of a MongoDB: {error}; {mend}") from error
        self._clock = clock
        options: CodecOptions[Doc] = CodecOptions(tz_aware=True, tzinfo=UTC)
        self._database = self._client.get_database(
            name, codec_options=options, write_concern=DURABLE, read_preference=ReadPreference.PRIMARY
        )

    def __getitem__(self, name: str) -> Collection:
        return MongoCollection(self._database[name], self._clock)

    @never_cancelled
    async def read(self, reads: Sequence[Read]) -> list[list[Doc]]:
        found: list[list[Doc]] = [[] for _ in reads]
        async with translated(f"find in {', '.join(dict.fromkeys(one.name for one in reads))}"):
            cursor = await self._database[reads[0].name].aggregate(in_turn(reads, self._clock), batchSize=BATCH)
            for one in await cursor.to_list():
                found[one["of"]].append(one["doc"])
        return found

    @never_cancelled
    async def ready(self) -> None:
        # Under the client's timeoutMS even this would be tried again for 15 s before anybody hears that nobody answers.
        async with translated("hello"):
            with timeout(HELLO_SECONDS):
                asked = self._clock.monotonic()
                hello = await self._client.admin.command("hello")
                took = self._clock.monotonic() - asked
        if not hello.get("isWritablePrimary"):
            raise StoreUnavailable("MongoDB has no primary; start a replica set (a single node is enough) and try again")
        if "setName" not in hello and hello.get("msg") != "isdbgrid":
            # A single server without a replica set takes majority writes and answers without keeping them safe.
            raise StoreUnavailable(
                "this MongoDB is no replica set; start it with --replSet (a single node is enough) and call rs.initiate()"
            )
        self._clock.set(hello["localTime"], took=took)

    @never_cancelled
    async def ensure(self, schemas: Sequence[Schema]) -> None:
        async with translated("create indexes"):
            for schema in schemas:
                for index in schema.indexes:
                    options: dict[str, Any] = {}
                    if index.partial:
                        options["partialFilterExpression"] = {index.keys[0][0]: {"$exists": True}}
                    if index.expire_after is not None:
                        options["expireAfterSeconds"] = index.expire_after
                    if index.unique:
                        options["unique"] = True
                    await self._database[schema.name].create_index(list(index.keys), **options)

    async def close(self) -> None:
        """Say goodbye, unless nobody listens: the server forgets our sessions on its own."""
        await asyncio.wait({asyncio.create_task(self._client.close())}, timeout=CLOSE_SECONDS)


class MongoCollection:
    """One collection; translates `ServerNow` and pymongo's errors, nothing else."""

    def __init__(self, collection: AsyncCollection[Doc], clock: ServerClock) -> None:
        self.name = collection.name
        self._collection = collection
        self._relaxed = collection.with_options(write_concern=RELAXED)
        self._clock = clock

    @never_cancelled
    async def find(
        self, where: Where, fields: Sequence[str] = (), *, sort: Sequence[tuple[str, int]] = (), limit: int = 0, skip: int = 0
    ) -> list[Doc]:
        check_reading(fields, sort, limit=limit, skip=skip)
        async with translated(f"find in {self.name}"):
            cursor = self._collection.find(self._where(where), list(fields) or None, limit=limit, skip=skip, batch_size=BATCH)
            return await (cursor.sort(list(sort)) if sort else cursor).to_list()

    @never_cancelled
    async def insert(self, docs: Sequence[Doc]) -> set[str]:
        if not docs:
            return set()
        check_docs(docs)
        try:
            async with translated(f"insert into {self.name}"):
                await self._collection.insert_many(list(docs), ordered=False)
        except BulkWriteError as error:
            return _duplicates(error)
        return set()

    @never_cancelled
    async def update(self, where: Where, change: Change) -> int:
        check_update(Update(where, change))
        async with translated(f"update {self.name}"):
            result = await self._collection.update_many(self._where(where), server_change(change))
            return result.matched_count

    @never_cancelled
    async def bulk(self, updates: Sequence[Update], *, relaxed: bool = False) -> int:
        for update in updates:
            check_update(update)
        async with translated(f"update {self.name}"):
            operations = [operation for run in runs(updates) for operation in self._operations(run)]
        collection = self._relaxed if relaxed else self._collection
        changed, raced = 0, False
        while operations:
            async with translated(f"update {self.name}"):
                try:
                    result = await collection.bulk_write(operations, ordered=True)
                except BulkWriteError as error:
                    changed += error.details["nMatched"] + error.details["nUpserted"]
                    at = _already_there(error, self.name)
                    # Somebody may have made it between our look and our insert: then it matches now. If it does not, it never will.
                    skip = int(raced and at == 0)
                    operations, raced = operations[at + skip :], not skip
                else:
                    return changed + result.matched_count + result.upserted_count
        return changed

    def _operations(self, run: Sequence[Update]) -> list[UpdateMany]:
        if one := together(run):
            return [UpdateMany(self._where(where), change) for where, change in one]
        return [UpdateMany(self._where(update.where), server_change(update.change), upsert=update.upsert) for update in run]

    @never_cancelled
    async def take(self, where: Where, change: Change) -> Doc | None:
        check_update(Update(where, change))
        async with translated(f"update {self.name}"):
            return await self._collection.find_one_and_update(
                self._where(where), server_change(change), return_document=ReturnDocument.AFTER
            )

    @never_cancelled
    async def delete(self, where: Where) -> int:
        async with translated(f"delete from {self.name}"):
            return (await self._collection.delete_many(self._where(where))).deleted_count

    @never_cancelled
    async def count(self, where: Where) -> int:
        async with translated(f"count {self.name}"):
            return await self._collection.count_documents(self._where(where))

    @never_cancelled
    async def count_by(self, where: Where, field: str) -> dict[Any, int]:
        check_grouping(field)
        async with translated(f"count {self.name}"):
            grouped = await self._collection.aggregate([{"$match": self._where(where)}, {"$group": {"_id": f"${field}", "n": {"$sum": 1}}}])
            return {group["_id"]: group["n"] for group in await grouped.to_list()}

    def _where(self, where: Where) -> Doc:
        return server_where(where, self._clock)


@asynccontextmanager
async def translated(what: str) -> AsyncIterator[None]:
    """pymongo's errors as ours. A BulkWriteError passes: its caller knows what its parts mean."""
    try:
        yield
    except BulkWriteError:
        raise
    except OperationFailure as error:
        kind = BadInput if error.code in OUR_FAULT else StoreUnavailable
        raise kind(f"{what}: MongoDB refused: {error.details or error}") from error
    except (BSONError, OverflowError, UnicodeEncodeError) as error:
        raise BadInput(f"{what}: not a document: {error}") from error
    except PyMongoError as error:
        raise StoreUnavailable(f"{what}: MongoDB did not answer ({type(error).__name__}: {error}); it will be tried again") from error


def _duplicates(error: BulkWriteError) -> set[str]:
    problems = error.details["writeErrors"]
    if any(problem["code"] != DUPLICATE for problem in problems) or error.details.get("writeConcernErrors"):
        raise _failure("insert", error) from error
    return {problem["op"]["_id"] for problem in problems}


def _already_there(error: BulkWriteError, name: str) -> int:
    """Which operation wanted to make a document that is there already, as another filter would have found: it changes nothing."""
    problems = error.details["writeErrors"]
    taken = bool(problems) and problems[0]["code"] == DUPLICATE and list(problems[0].get("keyPattern", ())) == ["_id"]
    if not taken or error.details.get("writeConcernErrors"):
        raise _failure(f"update {name}", error) from error
    return int(problems[0]["index"])


def _failure(what: str, error: BulkWriteError) -> BadInput | StoreUnavailable:
    problems = error.details.get("writeErrors", []) + error.details.get("writeConcernErrors", [])
    if problems and problems[0].get("code") in OUR_FAULT:
        return BadInput(f"{what}: MongoDB refused: {problems[0].get('errmsg')}")
    first = problems[0].get("errmsg", problems[0]) if problems else error
    return StoreUnavailable(f"{what}: {first}; it will be tried again")
