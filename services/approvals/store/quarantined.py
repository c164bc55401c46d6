"""Messages that no service could use: looked at, said again, or thrown away."""

import hashlib

import orjson

from shared.clock import Clock
from shared.contracts.base import PREFIX, VERSION, type_names
from shared.errors import BadInput
from shared.messaging.codec import BATCH, SINGLE
from shared.messaging.port import Message
from shared.messaging.quarantine import QUARANTINE, REPLAY_OF
from shared.storage.port import Database, Doc

REPLAYED_BY = "x-replay"
OUTLINE = (
    "service", "reason", "routing_key", "message_id", "count", "at", "last_at", "replays", "replay_by", "replay_at", "replayed_at",
    "replay_of",
)  # fmt: skip


class Quarantined:
    """The collection `quarantine`. What was replayed stays for a week, out of the way, so that what comes back is known for what it is."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._collection = database[QUARANTINE.name]
        self._clock = clock

    async def page(self, *, after_id: str | None, limit: int, replayed: bool) -> list[Doc]:
        """By id, without their bodies: those that lie there, or those that were replayed and did not come back."""
        where = {"_id": {"$gt": after_id or ""}, "replayed_at": {"$exists": replayed}}
        return await self._collection.find(where, OUTLINE, sort=(("_id", 1),), limit=limit)

    async def get(self, identifier: str) -> Doc | None:
        """One message, whole."""
        found = await self._collection.find({"_id": identifier})
        return found[0] if found else None

    async def count(self) -> int:
        """How many lie there."""
        return await self._collection.count({"_id": {"$gt": ""}, "replayed_at": {"$exists": False}})

    async def about_to_replay(self, doc: Doc, *, by: str) -> None:
        """Note who says it again, before it is said: whatever becomes of it, its history tells."""
        change = {"$set": {"replay_by": by, "replay_at": self._clock.now()}, "$inc": {"replays": 1}}
        await self._collection.update({"_id": doc["_id"]}, change)

    async def replayed(self, doc: Doc) -> None:
        """It was said again and lies there no more, unless it came back meanwhile."""
        where = {"_id": doc["_id"], "count": doc["count"]}
        await self._collection.update(where, {"$set": {"replayed_at": self._clock.now()}})

    async def remove(self, identifier: str) -> None:
        """Throw it away."""
        await self._collection.delete({"_id": identifier})


def message_of(doc: Doc, *, by: str) -> Message:
    """The message as it was, marked as said again. Raises BadInput when it was not kept whole, or nobody would hear it."""
    body: bytes = doc.get("bytes") or doc["body"].encode()
    if doc["body_bytes"] > len(body):
        raise BadInput(f"{doc['_id']} had {doc['body_bytes']} bytes, of which {len(body)} were kept: it cannot be replayed, only discarded")
    content_type = BATCH if body.lstrip().startswith(b"[") else SINGLE
    identifier = doc["message_id"] or hashlib.sha256(body).hexdigest()[:32]
    return Message(_key(doc, body), body, identifier, content_type, headers={REPLAYED_BY: by, REPLAY_OF: doc["_id"]})


def _key(doc: Doc, body: bytes) -> str:
    """What it is said as. Who put it straight into a queue named the queue, and no event: then its own type tells."""
    names = {event.name for event in type_names.values()}
    for key in (doc["routing_key"], _type(body).removeprefix(PREFIX).removesuffix(VERSION)):
        if key in names:
            return str(key)
    raise BadInput(f"{doc['_id']} was sent as {doc['routing_key']!r}, which no service hears: it cannot be replayed, only discarded")


def _type(body: bytes) -> str:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    first = document[0] if isinstance(document, list) and document else document
    return str(first.get("type")) if isinstance(first, dict) else ""
