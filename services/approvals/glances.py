"""How far many runs are, for a list of them: small ones are read together, large ones each at its own pace, those that are over once."""

import asyncio
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.approvals.domain.runs import CALLS
from services.approvals.domain.summary import Below
from services.approvals.domain.views import current, overlaid, usage_of
from services.approvals.summaries import Summaries
from shared.aside import aside
from shared.clock import Clock
from shared.contracts.phases import TERMINAL, Phase
from shared.ids import subtree
from shared.storage.port import Database, Doc

SMALL = 300
MOST_KEPT = 5_000
REST, LONGEST_REST = 8.0, 15.0
"""What took a second to read is good for eight: a ninth of one core at most goes into this, however many look."""
COST = ("run_id", "prompt_tokens", "completion_tokens", "usd")

View = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Kept:
    key: tuple[str, int]
    below: Below
    good_until: float


class Glances:
    """What lies below the roots of runs, shared by all who look."""

    def __init__(self, database: Database, summaries: Summaries, clock: Clock) -> None:
        self._summaries = summaries
        self._tasks, self._attempts = database["tasks"], database["attempts"]
        self._ledgers = [database[name] for name in CALLS]
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._turn = asyncio.Lock()

    async def of(self, roots: Sequence[View]) -> dict[str, Below]:
        """By run: its tasks' phases and what its model calls cost. Exact once it is over, else at most some seconds old."""
        async with self._turn:
            stale = [view for view in roots if not self._is_good(view)]
            large = await self._large([view["runId"] for view in stale])
            await self._look([view for view in stale if view["runId"] not in large])
            for view in stale:
                if view["runId"] in large:
                    await self._look_at_large(view)
            found = {view["runId"]: self._kept[view["runId"]].below for view in roots}
            self._forget_others(found)
            return found

    def _is_good(self, view: View) -> bool:
        kept = self._kept.get(view["runId"])
        if kept is None:
            return False
        if view["phase"] in TERMINAL:
            return kept.key == _key(view)
        return kept.key[0] == view["phase"] and self._clock.monotonic() < kept.good_until

    async def _large(self, runs: Sequence[str]) -> set[str]:
        """Those of these runs that are large; what was large once is."""
        known = {run for run in runs if run in self._kept and self._kept[run].below.total >= SMALL}
        others = [run for run in runs if run not in known]
        sizes = await asyncio.gather(*(self._tasks.count({"_id": subtree(run)}) for run in others))
        return known | {run for run, size in zip(others, sizes, strict=True) if size > SMALL}

    async def _look(self, roots: Sequence[View]) -> None:
        if not roots:
            return
        began = self._clock.monotonic()
        runs = [view["runId"] for view in roots]
        phases, costs = await asyncio.gather(self._phases(runs), self._costs(runs))
        for view in roots:
            self._keep(view, Below(phases[view["runId"]], usage_of((), costs[view["runId"]])), began=began)

    async def _look_at_large(self, view: View) -> None:
        """Through the summary that whoever looks at this run alone has as well."""
        began = self._clock.monotonic()
        root = {"_id": view["runId"], "phase": view["phase"], "version": view["version"]}
        self._keep(view, (await self._summaries.of(root)).of(view["runId"]), began=began)

    def _keep(self, view: View, below: Below, *, began: float) -> None:
        now = self._clock.monotonic()
        self._kept[view["runId"]] = _Kept(_key(view), below, now + min(LONGEST_REST, REST * (now - began)))

    def _forget_others(self, used: Iterable[str]) -> None:
        """Keep what was used last. Not earlier: to keep one run of a list must not cost another one of it."""
        for run in used:
            self._kept.move_to_end(run)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)

    async def _phases(self, runs: Sequence[str]) -> dict[str, Counter[Phase]]:
        """Read, and joined with the attempts at those that may be at work."""
        below = {"$or": [{"_id": subtree(run)} for run in runs]}
        tasks = await self._tasks.find(below, ("run_id", "phase", "epoch"))
        ready = [current(task) for task in tasks if task["phase"] == Phase.READY]
        attempts = await self._attempts.find({"_id": {"$in": ready}}, ("state",)) if ready else []
        return await aside(lambda: _counted(tasks, attempts), size=len(tasks))

    async def _costs(self, runs: Sequence[str]) -> dict[str, list[Doc]]:
        costs: dict[str, list[Doc]] = defaultdict(list)
        for calls in await asyncio.gather(*(ledger.find({"run_id": {"$in": list(runs)}}, COST) for ledger in self._ledgers)):
            for call in calls:
                costs[call["run_id"]].append(call)
        return costs


def _counted(tasks: Sequence[Doc], attempts: Sequence[Doc]) -> dict[str, Counter[Phase]]:
    tried = {doc["_id"]: doc for doc in attempts}
    phases: dict[str, Counter[Phase]] = defaultdict(Counter)
    for task in tasks:
        phases[task["run_id"]][overlaid(task, tried.get(current(task)))] += 1
    return phases


def _key(view: View) -> tuple[str, int]:
    return (str(view["phase"]), int(view["version"]))
