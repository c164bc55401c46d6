"""The questions to people and their answers. Each change is one compare-and-set: of two who decide at once, one wins."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from services.approvals.domain.deciding import EXPIRED, PENDING, WITHDRAWN, Vote
from services.approvals.domain.principals import Principal
from services.approvals.store.resend import FIRST_WAIT
from shared.clock import Clock, after
from shared.contracts.sequencer import ApprovalRequested
from shared.storage.port import Collection, Database, Doc, ServerNow

LONGEST_SECONDS = 100 * 365 * 86_400.0
"""Beyond that there are no dates: a question that may wait for ever and a day is kept all the same."""


class Approvals:
    """The collection `approvals`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.collection: Collection = database["approvals"]
        self._clock = clock
        self._looked_at = ""

    async def ask(self, events: Sequence[ApprovalRequested]) -> set[str]:
        """Keep questions; the ids of those that were asked before."""
        return await self.collection.insert([self._question(event) for event in events])

    async def get(self, ids: Sequence[str]) -> dict[str, Doc]:
        """Approvals by id."""
        return {doc["_id"]: doc for doc in await self.collection.find({"_id": {"$in": list(ids)}})}

    async def page(self, where: dict[str, Any], *, after_id: str | None, limit: int) -> list[Doc]:
        """Those that match, by id, from the one after `after_id`."""
        return await self.collection.find({**where, **({"_id": {"$gt": after_id}} if after_id else {})}, sort=(("_id", 1),), limit=limit)

    async def next_open(self, limit: int) -> list[Doc]:
        """The next of the open ones, round and round: however many there are, each look costs the same, and each question has its turn."""
        where = {"state": PENDING, "_id": {"$gt": self._looked_at}}
        found = await self.collection.find(where, ("state", "task_id"), sort=(("_id", 1),), limit=limit)
        self._looked_at = found[-1]["_id"] if len(found) == limit else ""
        return found

    async def record(self, approval: Doc, vote: Vote) -> Doc | None:
        """Add the answer, if nobody else's came in since `approval` was read; the approval as it is then."""
        fields: dict[str, Any] = {"votes": approval["votes"] + 1}
        if vote.state:
            fields |= {"state": vote.state, "decided_at": self._clock.now(), "due_at": after(self._clock, FIRST_WAIT), "wait": FIRST_WAIT}
            fields |= {"decided_by": vote.entry["by"], "comment": vote.entry["comment"]}
            fields |= {"result": vote.entry["result"]} if "result" in vote.entry else {}
        where = {"_id": approval["_id"], "state": PENDING, "votes": approval["votes"]}
        return await self.collection.take(where, {"$set": fields, "$push": {"decisions": vote.entry}})

    async def expire(self, approval_id: str) -> Doc | None:
        """Close a question whose time ran out, by the server's clock; None: it was answered after all."""
        change = {"$set": {"state": EXPIRED, "decided_at": self._clock.now(), "due_at": after(self._clock, FIRST_WAIT), "wait": FIRST_WAIT}}
        return await self.collection.take({"_id": approval_id, "state": PENDING, "due_at": {"$lte": ServerNow()}}, change)

    async def withdraw(self, where: dict[str, Any]) -> int:
        """Close the open ones of these: nobody waits for an answer any more."""
        change = {"$set": {"state": WITHDRAWN, "decided_at": self._clock.now()}, "$unset": {"due_at": "", "wait": ""}}
        return await self.collection.update({**where, "state": PENDING}, change)

    def _question(self, event: ApprovalRequested) -> Doc:
        now = self._clock.now()
        doc = event.model_dump(mode="json", exclude={"approval_id", "within", *event.further})
        doc |= {"further": event.further} if event.further else {}
        doc |= {"_id": event.approval_id, "state": PENDING, "decisions": [], "votes": 0, "requested_at": now}
        if event.within is not None:
            expires_at = now + timedelta(seconds=min(event.within, LONGEST_SECONDS))
            doc |= {"expires_at": expires_at, "due_at": expires_at}
        return doc


def open_to(who: Principal) -> dict[str, Any]:
    """The filter for open questions that wait for the answer of this approver."""
    asked = [{"approvers": []}, {"approvers": {"$in": [who.name, *sorted(who.groups)]}}]
    return {"state": PENDING, "$or": asked, "decisions.by": {"$ne": who.name}}
