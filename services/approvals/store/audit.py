"""The audit trail: append-only. A number is taken by inserting it, so that two writers can never fork the chain."""

import asyncio

import structlog

from services.approvals.domain.audit import START, Entry, Finding, entry_id, link, verify
from shared.clock import Clock
from shared.errors import StoreUnavailable
from shared.storage.port import Database, Doc

STEP = 1_000

log = structlog.get_logger()


class Audit:
    """The collection `audit`. One writer at a time in a process; between processes the unique `_id` decides."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._collection = database["audit"]
        self._clock = clock
        self._turn = asyncio.Lock()
        self._last: tuple[int, str] | None = None

    async def add(self, entry: Entry) -> None:
        """Append one entry, durably. Written before what it tells of is done: nothing is done without a trace."""
        async with self._turn:
            doc = await self._append(entry)
        log.info("audit.added", who=entry.who, what=entry.what, subject=entry.subject, seq=int(doc["_id"]))

    async def page(self, *, after_id: str | None, limit: int) -> list[Doc]:
        """Entries in order, from the one after `after_id`."""
        return await self._collection.find({"_id": {"$gt": after_id or ""}}, sort=(("_id", 1),), limit=limit)

    async def verify(self) -> tuple[int, Finding | None]:
        """How many entries there are up to the first that does not fit, and that one. Entries cut off at the end leave no trace here."""
        checked, prev = 0, START
        while docs := await self.page(after_id=entry_id(checked), limit=STEP):
            if finding := verify(docs, seq=checked + 1, prev=prev):
                return int(finding.entry_id) - 1, finding
            checked, prev = checked + len(docs), docs[-1]["hash"]
        return checked, None

    async def _append(self, entry: Entry) -> Doc:
        while True:
            seq, prev = self._last or await self._end()
            doc = link(entry, seq=seq + 1, at=self._clock.now(), prev=prev)
            try:
                taken = await self._collection.insert([doc])
            except StoreUnavailable:
                self._last = None
                raise
            self._last = None if taken else (seq + 1, doc["hash"])
            if not taken:
                return doc

    async def _end(self) -> tuple[int, str]:
        last = await self._collection.find({}, ("hash",), sort=(("_id", -1),), limit=1)
        return (int(last[0]["_id"]), last[0]["hash"]) if last else (0, START)
