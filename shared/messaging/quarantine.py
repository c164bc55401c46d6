"""Where poison goes: kept whole with its reason, so that a person can look, mend and replay. Written before the message is acked."""

import hashlib
import re
from typing import Any

import orjson
import structlog

from shared.clock import Clock
from shared.messaging.codec import MOST_BYTES
from shared.messaging.port import Delivery
from shared.storage.port import Collection, Doc, Index, Schema, Update

REPLAYED_FOR = 7 * 24 * 3_600
QUARANTINE = Schema("quarantine", (Index((("at", -1),)), Index((("replayed_at", 1),), expire_after=REPLAYED_FOR)))
MOST_BODY = MOST_BYTES
MOST_SHOWN = 64 * 1024
MOST_ID = 255
UNSAFE = re.compile(r"[^A-Za-z0-9_.:@+=-]")
REPLAY_OF = "x-replay-of"
"""The header that a message bears when a person said it again: what it was in quarantine."""

log = structlog.get_logger()


class Quarantine:
    """One service's way into the quarantine."""

    def __init__(self, collection: Collection, *, service: str, clock: Clock) -> None:
        self._collection = collection
        self._service = service
        self._clock = clock

    async def put(self, delivery: Delivery, reason: str, raw: Any = None) -> None:
        """Keep one message, or the element `raw` of it. The same one again raises its count, and undoes that it was replayed."""
        body = delivery.body if raw is None else _json(raw, otherwise=delivery.body)
        identifier = f"{self._service}:{_readable(delivery.message_id) or 'no-id'}:{_digest(delivery.message_id, body)}"
        first = {
            "service": self._service,
            "message_id": delivery.message_id,
            "routing_key": delivery.routing_key,
            "headers": [f"{name}: {value}"[:2_000] for name, value in delivery.headers.items()],
            **_kept(body),
            "body_bytes": len(body),
            "at": self._clock.now(),
        }
        last: Doc = {"reason": reason, "last_at": self._clock.now()}
        if (replay_of := str(delivery.headers.get(REPLAY_OF) or "")[:2_000]) not in ("", identifier):
            last["replay_of"] = replay_of
        change = {"$setOnInsert": first, "$set": last, "$unset": {"replayed_at": ""}, "$inc": {"count": 1}}
        await self._collection.bulk([Update({"_id": identifier}, change, upsert=True)])
        log.error(
            "message.quarantined", quarantine_id=identifier, reason=reason, routing_key=delivery.routing_key, replay_of=replay_of or None
        )


def _readable(message_id: str) -> str:
    """As part of a name that people type and that URLs bear; whatever a stranger put into it."""
    return UNSAFE.sub("_", message_id[:MOST_ID])


def _digest(message_id: str, body: bytes) -> str:
    return hashlib.sha256(b"%d %s %s" % (len(message_id), message_id.encode(errors="replace"), body)).hexdigest()[:16]


def _json(raw: Any, *, otherwise: bytes) -> bytes:
    try:
        return orjson.dumps(raw)
    except orjson.JSONEncodeError:  # nested deeper than it writes, though not than it reads: then the whole message is kept
        return otherwise


def _kept(body: bytes) -> Doc:
    """The body for a person to read, and its bytes where it is no text: only so can it be said again as it was."""
    kept = body[:MOST_BODY]
    try:
        return {"body": kept.decode()}
    except UnicodeDecodeError:
        return {"body": kept[:MOST_SHOWN].decode("utf-8", "backslashreplace"), "bytes": kept}
