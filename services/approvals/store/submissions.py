"""What was asked of the house: submissions and orders, whole, kept until somebody is known to have taken them."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from services.approvals.store.resend import FIRST_WAIT
from shared.clock import Clock, after
from shared.contracts.approvals import TaskControl, TaskSubmitted
from shared.storage.port import Collection, Database, Doc

ACCEPTED = "accepted"
SAID = "said"


class Submissions:
    """The collection `submissions`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.collection: Collection = database["submissions"]
        self._clock = clock

    async def claim(self, key: str, principal: str, *, run_id: str, digest: str) -> Doc:
        """The one request that holds this idempotency key: this one, or whichever came first."""
        identifier = "key:" + hashlib.sha256(f"{principal}\0{key}".encode()).hexdigest()
        claim = {"_id": identifier, "kind": "key", "claims": run_id, "digest": digest, "key_at": self._clock.now()}
        if await self.collection.insert([claim]):
            return (await self.collection.find({"_id": identifier}))[0]
        return claim

    async def add(self, events: Sequence[TaskSubmitted]) -> None:
        """Keep submissions; those that are kept already stay as they are."""
        await self.collection.insert([self._waiting(event.run_id, "submission", event, state=ACCEPTED) for event in events])

    async def order(self, event: TaskControl) -> None:
        """Keep an order."""
        await self.collection.insert([{**self._waiting(event.control_id, "control", event, state=SAID), "task_id": event.task_id}])

    async def get(self, run_ids: Sequence[str]) -> dict[str, Doc]:
        """Submissions by their run."""
        found = await self.collection.find({"_id": {"$in": list(run_ids)}})
        return {doc["_id"]: doc for doc in found if doc["kind"] == "submission"}

    async def unplanned(self, *, before: str | None, limit: int) -> list[Doc]:
        """Submissions that are not known to be planned, the newest first."""
        where: dict[str, Any] = {"state": ACCEPTED, **({"_id": {"$lt": before}} if before else {})}
        return await self.collection.find(where, sort=(("_id", -1),), limit=limit)

    async def of_run(self, run_id: str) -> list[Doc]:
        """The submission of a run and all orders in it."""
        return await self.collection.find({"run_id": run_id}, sort=(("_id", 1),))

    def _waiting(self, identifier: str, kind: str, event: TaskSubmitted | TaskControl, *, state: str) -> Doc:
        return {
            "_id": identifier, "kind": kind, "run_id": event.run_id, "event": event.wire(), "state": state, "at": self._clock.now(),
            "wait": FIRST_WAIT, "due_at": after(self._clock, FIRST_WAIT),
        }  # fmt: skip


def said_by(doc: Mapping[str, Any]) -> TaskSubmitted | TaskControl:
    """The event that was kept."""
    return (TaskSubmitted if doc["kind"] == "submission" else TaskControl).model_validate(doc["event"])
