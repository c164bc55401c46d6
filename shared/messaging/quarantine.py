"""Where poison goes: kept whole with its reason, so that a person can look, mend and replay. Written before the message is acked."""

import hashlib
from typing import Any

import orjson
import structlog

from shared.clock import Clock
from shared.messaging.codec import MOST_BYTES
from shared.messaging.port import Delivery
from shared.storage.port import Collection, Index, Schema, Update

QUARANTINE = Schema("quarantine", (Index((("at", -1),)),))
MOST_BODY = MOST_BYTES

log = structlog.get_logger()


class Quarantine:
    """One service's way into the quarantine."""

    def __init__(self, collection: Collection, *, service: str, clock: Clock) -> None:
        self._collection = collection
        self._service = service
        self._clock = clock

    async def put(self, delivery: Delivery, reason: str, raw: Any = None) -> None:
        """Keep one message, or the element `raw` of it. The same one again only raises its count."""
        body = delivery.body if raw is None else _json(raw, otherwise=delivery.body)
        digest = hashlib.sha256(body).hexdigest()[:16]
        identifier = f"{self._service}:{delivery.message_id or 'no-id'}:{digest}"
        first = {
            "service": self._service,
            "message_id": delivery.message_id,
            "routing_key": delivery.routing_key,
            "headers": [f"{name}: {value}"[:2_000] for name, value in delivery.headers.items()],
            "body": _text(body),
            "body_bytes": len(body),
            "reason": reason,
            "at": self._clock.now(),
        }
        await self._collection.bulk([Update({"_id": identifier}, {"$setOnInsert": first, "$inc": {"count": 1}}, upsert=True)])
        log.error("message.quarantined", quarantine_id=identifier, reason=reason, routing_key=delivery.routing_key)


def _json(raw: Any, *, otherwise: bytes) -> bytes:
    try:
        return orjson.dumps(raw)
    except orjson.JSONEncodeError:  # nested deeper than it writes, though not than it reads: then the whole message is kept
        return otherwise


def _text(body: bytes) -> str:
    """The body for a person to read. What is no text grows fourfold by being made readable, and the store takes 16 MiB."""
    try:
        return body[:MOST_BODY].decode()
    except UnicodeDecodeError:
        return body[: MOST_BODY // 4].decode("utf-8", "backslashreplace")
