"""The live view's memory: what was heard of a run, numbered without gaps, because a number is taken by inserting it."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from services.approvals.domain.feed import feed_data
from shared.clock import Clock
from shared.contracts.base import Event
from shared.errors import StoreUnavailable
from shared.storage.group import GroupCommit
from shared.storage.port import Database, Doc

MOST_KNOWN = 10_000
SURE_SECONDS = 3_600.0
"""For so long a number is remembered: in a week it is gone from the feed, and another process begins at 1 again."""
PAUSE_SECONDS = 0.2
"""A lone fact is there at once; of a busy run whoever watches hears five times a second, however many follow each other."""


class Feed:
    """The collection `feed`. All handlers of a process append through one writer; `wake` is told which runs have news."""

    def __init__(self, database: Database, clock: Clock, wake: Callable[[str], None]) -> None:
        self._collection = database["feed"]
        self._clock = clock
        self._wake = wake
        self._ends: dict[str, tuple[int, float]] = {}
        self._group: GroupCommit[Event] = GroupCommit(self._append)

    async def append(self, events: Sequence[Event]) -> None:
        """Return when all are in the feed. What is appended twice appears twice."""
        await self._group(events)

    async def after(self, run_id: str, seq: int, *, limit: int = 500) -> list[Doc]:
        """What came after number `seq`, in order."""
        return await self._collection.find({"run_id": run_id, "seq": {"$gt": seq}}, sort=(("seq", 1),), limit=limit)

    async def end(self, run_id: str) -> int:
        """The last number of a run; 0: nothing is known of it."""
        last = await self._collection.find({"run_id": run_id}, ("seq",), sort=(("seq", -1),), limit=1)
        return int(last[0]["seq"]) if last else 0

    async def _append(self, events: Sequence[Event]) -> None:
        runs: dict[str, list[Event]] = defaultdict(list)
        for event in events:
            runs[event.run_id].append(event)
        try:
            for run_id, of_run in runs.items():
                await self._append_run(run_id, of_run)
        except StoreUnavailable:
            self._ends.clear()
            raise
        # What comes meanwhile goes together: else a busy run would cost as many writes here as in all other services.
        await self._clock.sleep(PAUSE_SECONDS)

    async def _append_run(self, run_id: str, events: Sequence[Event]) -> None:
        waiting = list(events)
        while waiting:
            end = self._known(run_id) or await self.end(run_id)
            docs = [self._document(run_id, seq, event) for seq, event in enumerate(waiting, start=end + 1)]
            lost = await self._collection.insert(docs)
            waiting = [event for doc, event in zip(docs, waiting, strict=True) if doc["_id"] in lost]
            self._know(run_id, 0 if lost else docs[-1]["seq"])
        self._wake(run_id)

    def _know(self, run_id: str, end: int) -> None:
        if len(self._ends) >= MOST_KNOWN:
            self._ends.clear()
        self._ends[run_id] = (end, self._clock.monotonic())

    def _known(self, run_id: str) -> int:
        end, since = self._ends.get(run_id, (0, 0.0))
        return end if self._clock.monotonic() - since < SURE_SECONDS else 0

    def _document(self, run_id: str, seq: int, event: Event) -> dict[str, Any]:
        identity = {"_id": f"{run_id}:{seq:012d}", "run_id": run_id, "seq": seq}
        return {**identity, "event": event.name, "data": feed_data(event), "at": self._clock.now()}
