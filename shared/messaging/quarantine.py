"""Where poison goes: kept whole with its reason, so that a person can look, mend and replay. Written before the message is acked."""

import hashlib
from typing import Any

import structlog

from shared.clock import Clock
from shared.messaging.codec import printable
from shared.messaging.port import Delivery
from shared.storage.port import Collection, Index, Schema, Update

QUARANTINE = Schema("quarantine", (Index((("at", -1),)),))
MOST_BODY = 1024 * 1024

log = structlog.get_logger()


class Quarantine:
    """One service's way into the quarantine."""

    def __init__(self, collection: Collection, *, service: str, clock: Clock) -> None:
        self._collection = collection
        self._service = service
        self._clock = clock

    async def put(self, delivery: Delivery, reason: str, raw: Any = None) -> None:
        """Keep one message, or the element `raw` of it. The same one again only raises its count."""
        body = delivery.body if raw is None else printable(raw).encode()
        digest = hashlib.sha256(body).hexdigest()[:16]
        identifier = f"{self._service}:{delivery.message_id or 'no-id'}:{digest}"
        first = {
            "service": self._service,
            "message_id": delivery.message_id,
            "routing_key": delivery.routing_key,
            "headers": {str(k).replace(".", "_").replace("$", "_"): str(v)[:2_000] for k, v in delivery.headers.items()},
            "body": body[:MOST_BODY].decode("utf-8", "backslashreplace"),
            "body_bytes": len(body),
            "reason": reason,
            "at": self._clock.now(),
        }
        await self._collection.bulk([Update({"_id": identifier}, {"$setOnInsert": first, "$inc": {"count": 1}}, upsert=True)])
        log.error("message.quarantined", quarantine_id=identifier, reason=reason, routing_key=delivery.routing_key)
