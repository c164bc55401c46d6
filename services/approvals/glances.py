"""How far many runs are, for a list of them: small ones are read, large ones counted by the store, and those that are over are kept."""

import asyncio
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.approvals.domain.runs import CALLS
from services.approvals.domain.summary import Below
from services.approvals.domain.views import current, overlaid, usage_of
from shared.clock import Clock
from shared.contracts.executor import Outcome
from shared.contracts.phases import TERMINAL, Phase
from shared.storage.port import Database, Doc

SMALL = 300
MOST_KEPT = 5_000
REST = 8.0
"""What took a second to find out is good for eight: at most a ninth of the store's time goes into this, however many look."""
COUNTED = (Phase.COMPLETED, Phase.SKIPPED, Phase.FAILED, Phase.CANCELLED, Phase.AWAITING_APPROVAL, Phase.ESCALATED)
COST = ("run_id", "prompt_tokens", "completion_tokens", "usd")

View = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Kept:
    key: tuple[str, int]
    below: Below
    good_until: float


class Glances:
    """What lies below the roots of runs, shared by all who look."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._tasks, self._attempts = database["tasks"], database["attempts"]
        self._ledgers = [database[name] for name in CALLS]
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._turn = asyncio.Lock()

    async def of(self, roots: Sequence[View]) -> dict[str, Below]:
        """By run: its tasks' phases and what its model calls cost. Exact once it is over, else at most some seconds old."""
        async with self._turn:
            if stale := [view for view in roots if not self._is_good(view)]:
                await self._look(stale)
            return {view["runId"]: self._kept[view["runId"]].below for view in roots}

    def _is_good(self, view: View) -> bool:
        kept = self._kept.get(view["runId"])
        if kept is None or kept.key != _key(view):
            return False
        return view["phase"] in TERMINAL or self._clock.monotonic() < kept.good_until

    async def _look(self, roots: Sequence[View]) -> None:
        began = self._clock.monotonic()
        runs = [view["runId"] for view in roots]
        sizes = dict(zip(runs, await asyncio.gather(*(self._tasks.count({"run_id": run}) for run in runs)), strict=True))
        small = [run for run in runs if sizes[run] <= SMALL]
        large = [run for run in runs if sizes[run] > SMALL]
        (phases, costs), counted = await asyncio.gather(
            asyncio.gather(self._phases(small), self._costs(runs)), asyncio.gather(*(self._counted(run, sizes[run]) for run in large))
        )
        phases |= dict(zip(large, counted, strict=True))
        now = self._clock.monotonic()
        for view in roots:
            run = view["runId"]
            below = Below(dict(phases.get(run, {})), usage_of((), costs[run]))
            self._kept[run] = _Kept(_key(view), below, now + REST * (now - began))
            self._kept.move_to_end(run)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)

    async def _phases(self, runs: Sequence[str]) -> dict[str, Counter[Phase]]:
        """Of small runs: read, and joined with the attempts at those that may be at work."""
        below = {"run_id": {"$in": list(runs)}, "parent_id": {"$ne": None}}
        tasks = await self._tasks.find(below, ("run_id", "phase", "epoch")) if runs else []
        ready = [current(task) for task in tasks if task["phase"] == Phase.READY]
        attempts = {doc["_id"]: doc for doc in (await self._attempts.find({"_id": {"$in": ready}}, ("state",)) if ready else [])}
        phases: dict[str, Counter[Phase]] = defaultdict(Counter)
        for task in tasks:
            phases[task["run_id"]][overlaid(task, attempts.get(current(task)))] += 1
        return phases

    async def _counted(self, run: str, size: int) -> Counter[Phase]:
        """Of a large run: counted by the store. What is not at work, over, or waiting for people is blocked."""
        at_work = self._attempts.count({"run_id": run, "state": Outcome.RUNNING})
        of_phase = (self._tasks.count({"run_id": run, "phase": phase, "parent_id": {"$ne": None}}) for phase in COUNTED)
        running, *found = await asyncio.gather(at_work, *of_phase)
        known = Counter({Phase.RUNNING: running, **dict(zip(COUNTED, found, strict=True))})
        known[Phase.BLOCKED] = max(0, size - 1 - known.total())
        return known

    async def _costs(self, runs: Sequence[str]) -> dict[str, list[Doc]]:
        costs: dict[str, list[Doc]] = defaultdict(list)
        for calls in await asyncio.gather(*(ledger.find({"run_id": {"$in": list(runs)}}, COST) for ledger in self._ledgers)):
            for call in calls:
                costs[call["run_id"]].append(call)
        return costs


def _key(view: View) -> tuple[str, int]:
    return (str(view["phase"]), int(view["version"]))
