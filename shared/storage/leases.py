"""Work under a lease: claimed by an insert, renewed together, finished by compare-and-set, fenced by the epoch in its id."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import structlog

from shared.clock import Clock, after
from shared.errors import StoreUnavailable
from shared.ids import run_of
from shared.storage.group import GroupCommit
from shared.storage.port import Collection, Doc, ServerNow, Update
from shared.telemetry.metrics import ServiceMetrics

HELD = "running"
NOBODY = ""
"""The owner of what waits to be taken up: it was handed back, or there was no room for it. What is overdue under another was abandoned."""
HAND_BACK_SECONDS = 3.0
TERM = 0.9
"""Others look for what is overdue at their next sweep: so that they have it in the seconds that were given, a lease ends a bit earlier."""

log = structlog.get_logger()


class Leases:
    """The leases that this process holds in one collection. `lost` is called for each that it holds no longer."""

    def __init__(self, collection: Collection, *, owner: str, seconds: float, clock: Clock, metrics: ServiceMetrics) -> None:
        self._collection = collection
        self._owner = owner
        self._clock = clock
        self.seconds = seconds * TERM
        self.held: dict[str, Callable[[], object]] = {}
        self._lost = metrics.leases_lost
        metrics.leases_held.set_function(lambda: float(len(self.held)))
        self._unknown: set[str] = set()
        self._finishing: set[str] = set()
        self._renewed = clock.monotonic()
        self._finished: GroupCommit[Update] = GroupCommit(self._finish)

    async def claim(self, docs: Sequence[Doc]) -> set[str]:
        """Claim by inserting; the ids that are ours now. Losing some to another process is normal.

        After an unknown result of an earlier insert, ours are found again by their owner.
        """
        lease = {"state": HELD, "owner": self._owner, "due_at": after(self._clock, self.seconds), "claimed_at": self._clock.now()}
        wanted = {doc["_id"]: {**doc, **lease} for doc in docs}
        try:
            taken = await self._collection.insert([*wanted.values()])
        except StoreUnavailable:
            self._unknown.update(wanted)
            raise
        # Any other of ours is held, or was given up: what was begun under it is not begun again.
        if unknown := taken & self._unknown:
            mine = {"_id": {"$in": list(unknown)}, "owner": self._owner, "state": HELD}
            taken -= {doc["_id"] for doc in await self._collection.find(mine, ("state",))}
        self._unknown.difference_update(wanted)
        return wanted.keys() - taken

    async def leave(self, docs: Sequence[Doc]) -> set[str]:
        """Note that these are wanted, for whoever has room; the ids of those that nobody had noted or claimed."""
        now = self._clock.now()
        waiting = {"state": HELD, "owner": NOBODY, "due_at": now, "claimed_at": now}
        return {doc["_id"] for doc in docs} - await self._collection.insert([{**doc, **waiting} for doc in docs])

    async def hand_back(self, claims: Sequence[str]) -> None:
        """Others may take these up at once; where the store does not answer, their leases run out instead."""
        ours = {"_id": {"$in": list(claims)}, "owner": self._owner, "state": HELD}
        try:
            async with asyncio.timeout(HAND_BACK_SECONDS):
                await self._collection.update(ours, {"$set": {"owner": NOBODY, "due_at": ServerNow()}})
        except (StoreUnavailable, TimeoutError) as error:
            log.warning("leases.not_handed_back", claims=list(claims), error=str(error))

    def doubt(self, claims: Iterable[str]) -> None:
        """These were claimed and not begun, because the store went away: claimed again, they are ours, as long as their leases run."""
        self._unknown.update(claims)

    def doubted(self) -> frozenset[str]:
        """What was claimed, or may have been, and was not begun."""
        return frozenset(self._unknown)

    def hold(self, claim: str, lost: Callable[[], object]) -> None:
        """Renew this one from now on."""
        if not self.held:
            self._renewed = self._clock.monotonic()
        self.held[claim] = lost

    async def finish(self, claim: str, fields: dict[str, Any], *, patience: float = 0.0) -> None:
        """Write how it ended, if the lease is still ours; group-committed. The zombie's write matches nothing.

        `patience`: seconds that it may wait for others to be written with.
        """
        change = {"$set": {**fields, "finished_at": self._clock.now()}, "$unset": {"due_at": ""}}
        self._finishing.add(claim)
        try:
            ours = {"_id": claim, "state": HELD, "owner": self._owner}
            await self._finished([Update(ours, change)], run=run_of(claim).partition(":")[0], patience=patience)
        finally:
            self._finishing.discard(claim)
        self.held.pop(claim, None)

    async def renew_forever(self) -> None:
        """Renew all in one write, three times a lease; tell those that were lost."""
        while True:
            await self._clock.sleep(self.seconds / 3)
            if self.held:
                await self._renew()

    async def _renew(self) -> None:
        asked = list(self.held)
        mine = {"_id": {"$in": asked}, "state": HELD, "owner": self._owner}
        try:
            renewed = await self._collection.update(mine, {"$set": {"due_at": ServerNow(self.seconds)}})
            if renewed < len(asked):
                still = {doc["_id"] for doc in await self._collection.find(mine, ("state",))}
                # One that is being finished is not lost because its end is written already.
                self._let_go([claim for claim in asked if claim not in still and claim not in self._finishing])
            self._renewed = self._clock.monotonic()
        except StoreUnavailable as error:
            log.warning("leases.not_renewed", held=len(self.held), error=str(error))
            if self._clock.monotonic() - self._renewed > self.seconds:
                self._let_go(list(self.held))

    def _let_go(self, claims: Sequence[str]) -> None:
        for claim in claims:
            if lost := self.held.pop(claim, None):
                self._lost.inc()
                log.warning("lease.lost", attempt=claim)
                lost()

    async def _finish(self, updates: Sequence[Update]) -> None:
        await self._collection.bulk(updates)
