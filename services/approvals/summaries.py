"""Summaries of runs, shared by all who look: reading 20 000 tasks for each of them at each change would be the house's largest cost."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field

from services.approvals.domain.summary import Summary, summarize
from services.approvals.store.reads import Reads
from shared.aside import aside
from shared.clock import Clock
from shared.contracts.phases import TERMINAL
from shared.storage.port import Doc

MOST_KEPT = 50
SHORTEST = 0.3
REST = 8.0
"""A summary that took a second is good for eight: at most a ninth of one core goes into summaries of a run, however many watch it."""

Key = tuple[str, int]


@dataclass(slots=True)
class _Kept:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    key: Key | None = None
    summary: Summary = field(default_factory=Summary)
    good_until: float = 0.0


class Summaries:
    """The newest summary of each run that somebody looked at lately."""

    def __init__(self, reads: Reads, clock: Clock) -> None:
        self._reads = reads
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    async def of(self, root: Doc) -> Summary:
        """The summary of the run with this root: at most some seconds old while the run goes on, exact once it is over."""
        kept = self._kept.setdefault(root["_id"], _Kept())
        self._kept.move_to_end(root["_id"])
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        async with kept.lock:
            if not self._is_good(kept, root):
                await self._renew(kept, root)
        return kept.summary

    def _is_good(self, kept: _Kept, root: Doc) -> bool:
        key = _key(root)
        if kept.key != key and (root["phase"] in TERMINAL or kept.key is None):
            return False
        return (kept.key == key and root["phase"] in TERMINAL) or self._clock.monotonic() < kept.good_until

    async def _renew(self, kept: _Kept, root: Doc) -> None:
        began = self._clock.monotonic()
        branch = await self._reads.branch(root, whole=False)
        kept.summary = await aside(lambda: summarize(branch), size=len(branch.tasks))
        kept.key = _key(root)
        now = self._clock.monotonic()
        kept.good_until = now + max(SHORTEST, REST * (now - began))


def _key(root: Doc) -> Key:
    return (str(root["phase"]), int(root.get("version", 0)))
