"""Messages that no service could use: looked at, said again, or thrown away."""

import hashlib
from typing import Any

import orjson

from shared.contracts.base import type_names
from shared.errors import BadInput
from shared.messaging.codec import BATCH, SINGLE, encode
from shared.messaging.port import Message
from shared.messaging.quarantine import MOST_BODY, QUARANTINE
from shared.storage.port import Database, Doc

REPLAYED = "x-replay"
OUTLINE = ("service", "reason", "routing_key", "message_id", "count", "at")


class Quarantined:
    """The collection `quarantine`."""

    def __init__(self, database: Database) -> None:
        self._collection = database[QUARANTINE.name]

    async def page(self, *, after_id: str | None, limit: int) -> list[Doc]:
        """By id, without their bodies."""
        return await self._collection.find({"_id": {"$gt": after_id or ""}}, OUTLINE, sort=(("_id", 1),), limit=limit)

    async def get(self, identifier: str) -> Doc | None:
        """One message, whole."""
        found = await self._collection.find({"_id": identifier})
        return found[0] if found else None

    async def count(self) -> int:
        """How many there are; asked of the index alone, since each may be large."""
        return await self._collection.count({"_id": {"$gt": ""}})

    async def remove(self, doc: Doc) -> bool:
        """Take it out, unless the same message came in again meanwhile."""
        return bool(await self._collection.delete({"_id": doc["_id"], "count": doc["count"]}))


def message_of(doc: Doc, *, by: str) -> Message:
    """The message as it was, marked as said again. Raises BadInput when it was too large to be kept whole."""
    if doc["body_bytes"] > MOST_BODY:
        raise BadInput(f"{doc['_id']} had {doc['body_bytes']} bytes, of which {MOST_BODY} were kept: it cannot be replayed, only discarded")
    content: Any = _json(doc["body"])
    body, content_type = doc["body"].encode(), BATCH if isinstance(content, list) else SINGLE
    if isinstance(content, dict) and "specversion" not in content and content.get("type") in type_names:
        event = type_names[content["type"]].model_validate(content["data"])
        again = encode([event], service=doc["service"])
        body, content_type = again.body, again.content_type
    identifier = doc["message_id"] or hashlib.sha256(body).hexdigest()[:32]
    return Message(doc["routing_key"], body, identifier, content_type, headers={REPLAYED: by})


def _json(body: str) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
