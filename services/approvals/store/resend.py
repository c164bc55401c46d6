"""What was said and is not known to have arrived: it waits by `due_at`, and each time it is said again it waits twice as long."""

from collections.abc import Mapping, Sequence
from typing import Any

from shared.storage.port import Collection, Doc, ServerNow, Update

FIRST_WAIT = 5.0
LONGEST_WAIT = 60.0
AT_ONCE = 50  # a submission may hold megabytes of notes


async def overdue(collection: Collection) -> list[Doc]:
    """What is due now, at most 50, the oldest first."""
    return await collection.find({"due_at": {"$lte": ServerNow()}}, sort=(("due_at", 1),), limit=AT_ONCE)


async def wait_longer(collection: Collection, docs: Sequence[Mapping[str, Any]]) -> None:
    """Let these wait twice as long as last time, 60 s at most."""
    await collection.bulk([_later(doc) for doc in docs])


async def settle(collection: Collection, docs: Sequence[Mapping[str, Any]], **fields: Any) -> None:
    """These wait for nothing any more."""
    if docs:
        change: dict[str, Any] = {"$unset": {"due_at": "", "wait": ""}, **({"$set": fields} if fields else {})}
        await collection.update({"_id": {"$in": [doc["_id"] for doc in docs]}}, change)


def _later(doc: Mapping[str, Any]) -> Update:
    wait = min(LONGEST_WAIT, 2 * float(doc.get("wait", FIRST_WAIT)))
    return Update({"_id": doc["_id"], "due_at": {"$exists": True}}, {"$set": {"due_at": ServerNow(wait), "wait": wait}})
