"""Runs that come back: stored in parts first, then announced, so that whoever hears of an import finds all of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from services.approvals.store.resend import FIRST_WAIT
from shared.clock import Clock, after
from shared.storage.port import Collection, Database, Doc


class Imports:
    """The collection `imports`: a header a run, and its parts."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.collection: Collection = database["imports"]
        self._database = database
        self._clock = clock

    async def store_part(self, import_id: str, number: int, *, name: str, docs: Sequence[Mapping[str, Any]]) -> None:
        """Keep one part of one slice: for a week, should nothing come of the import."""
        part = {"_id": f"{import_id}#{number:06d}", "import_id": import_id, "slice": name, "docs": list(docs)}
        await self.collection.insert([{**part, "done_at": self._clock.now()}])

    async def announce(self, run_id: str, import_id: str, *, last: Mapping[str, str]) -> bool:
        """All parts are there: the header makes it count. `last` is the last id of each slice. False: somebody imports it already."""
        header = {"_id": f"run:{run_id}", "run_id": run_id, "header_of": import_id, "last": dict(last), "at": self._clock.now()}
        if await self.collection.insert([{**header, "wait": FIRST_WAIT, "due_at": after(self._clock, FIRST_WAIT)}]):
            return False
        await self.stay([import_id])
        return True

    async def stay(self, import_ids: Sequence[str]) -> None:
        """The parts of these are kept until all have taken them."""
        await self.collection.update({"import_id": {"$in": list(import_ids)}, "done_at": {"$exists": True}}, {"$unset": {"done_at": ""}})

    async def drop(self, import_id: str) -> None:
        """Forget the parts of an import that does not count."""
        await self.collection.delete({"import_id": import_id})

    async def is_taken(self, header: Doc) -> bool:
        """Whether each service has taken its slice: the last document of each is there."""
        for name, identifier in header["last"].items():
            if not await self._database[name].count({"_id": identifier}):
                return False
        return True

    async def done(self, headers: Sequence[Doc]) -> None:
        """These were taken: they go in a week."""
        ids = [header["header_of"] for header in headers]
        where = {"$or": [{"import_id": {"$in": ids}}, {"_id": {"$in": [header["_id"] for header in headers]}}]}
        await self.collection.update(where, {"$set": {"done_at": self._clock.now()}, "$unset": {"due_at": "", "wait": ""}})
