"""Summaries of runs, shared by all who look: reading 20 000 tasks for each of them at each change would be the house's largest cost."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import timedelta
from math import inf

import structlog

from services.approvals.domain.summary import Summary
from services.approvals.store.reads import Reads
from shared.clock import Clock
from shared.contracts.phases import TERMINAL
from shared.errors import StoreUnavailable
from shared.storage.port import Doc

SMALL = 500
"""Reading so many tasks takes some ten milliseconds: whoever asks for it has them counted anew."""
MOST_KEPT = 50
SHORTEST, LONGEST = 0.3, 15.0
REST = 8.0
"""A summary that took a second is good for eight: at most a ninth of one core goes into summaries of a run, however many watch it."""

SETTLING = timedelta(seconds=30)

Key = tuple[str, int]

log = structlog.get_logger()


@dataclass(slots=True)
class _Kept:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    key: Key | None = None
    summary: Summary = field(default_factory=Summary)
    began: float = -inf
    good_until: float = -inf
    passes_until: float = -inf
    settled: bool = False
    renewal: "asyncio.Task[None] | None" = None

    @property
    def renewing(self) -> bool:
        return self.renewal is not None and not self.renewal.done()


class Summaries:
    """The newest summary of each run that somebody looked at lately."""

    def __init__(self, reads: Reads, clock: Clock) -> None:
        self._reads = reads
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    async def of(self, root: Doc, *, fresh: bool = False) -> Summary:
        """The summary of the run with this root: at most some seconds old while the run goes on, exact soon after it is over.

        `fresh`: of a small run as it is now. Of a large one nobody waits for the next summary while the last one is not too old.
        """
        kept, now = self._kept.setdefault(root["_id"], _Kept()), self._clock.monotonic()
        self._kept.move_to_end(root["_id"])
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        if self._passes(kept, root):
            if not self._is_good(kept, root) and not kept.renewing:
                kept.renewal = asyncio.create_task(self._renew_behind(kept, root))
            return kept.summary
        async with kept.lock:
            anew = fresh and kept.summary.size <= SMALL
            if not (kept.began >= now if anew else self._is_good(kept, root)):
                await self._renew(kept, root)
        return kept.summary

    def age(self, run_id: str) -> float:
        """For how many seconds the summary that is kept of this run has been true at least; 0.0: none is."""
        kept = self._kept.get(run_id)
        return self._clock.monotonic() - kept.began if kept else 0.0

    def _is_good(self, kept: _Kept, root: Doc) -> bool:
        over = root["phase"] in TERMINAL
        if over and kept.key != _key(root):
            return False
        return (over and kept.settled) or self._clock.monotonic() < kept.good_until

    def _passes(self, kept: _Kept, root: Doc) -> bool:
        """Whether it may be shown until the next one is there: that may take longer than the last one, as the run grows."""
        early = kept.renewing or self._clock.monotonic() < kept.passes_until
        return early and root["phase"] not in TERMINAL and kept.summary.size > SMALL

    def _is_settled(self, root: Doc) -> bool:
        """Whether nothing changes any more: what runs when a run is cancelled or fails ends a little later."""
        ended = root.get("finished_at")
        return root["phase"] in TERMINAL and ended is not None and self._clock.now() - ended > SETTLING

    async def _renew_behind(self, kept: _Kept, root: Doc) -> None:
        try:
            async with kept.lock:
                if not self._is_good(kept, root):
                    await self._renew(kept, root)
        except StoreUnavailable as error:
            log.warning("summary.stays", run_id=root["_id"], reason=str(error))

    async def _renew(self, kept: _Kept, root: Doc) -> None:
        began = self._clock.monotonic()
        kept.summary = await self._reads.summary(root["_id"])
        kept.key, kept.began, kept.settled = _key(root), began, self._is_settled(root)
        now = self._clock.monotonic()
        kept.good_until = now + min(LONGEST, max(SHORTEST, REST * (now - began)))
        # Long enough to read the next one for those who look again and again: whoever looks now and then waits for it.
        kept.passes_until = kept.good_until + SHORTEST + 2 * (now - began)


def _key(root: Doc) -> Key:
    return (str(root["phase"]), int(root.get("version", 0)))
