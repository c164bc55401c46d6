"""The executor's slice, `attempts`; and what it reads of the tasks."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

from services.executor.agents.base import MOST_CHILDREN, SUBMITTED, Around, DependencyResult
from services.executor.around import around
from services.executor.domain import LOST, Claim, claim_from
from shared.clock import Clock
from shared.contracts.executor import Outcome, Result
from shared.contracts.phases import TERMINAL, Phase
from shared.errors import BadInput, StoreUnavailable
from shared.ids import above, attempt_id, epoch_of, task_of
from shared.messaging.hints import note_unknown
from shared.models.ledger import calls_schema
from shared.storage.leases import Leases
from shared.storage.port import Database, Doc, Index, Schema, ServerNow

SCHEMAS = (
    Schema("attempts", (Index((("due_at", 1),), partial=True), Index((("capped", 1), ("state", 1)), partial=True))),
    calls_schema("executor"),
)
PAGE = 2_000
TASK_FIELDS = (
    "run_id", "title", "description", "kind", "phase", "epoch", "agent", "inputs", "outputs", "timeout", "paused", "dependencies", "wide",
    "ready_at", "by_model", "anew", "priority",
)  # fmt: skip


class AttemptStore:
    """Attempts by their ids, `task:epoch`."""

    def __init__(self, database: Database, leases: Leases, clock: Clock) -> None:
        self._database = database
        self._attempts = database["attempts"]
        self._tasks = database["tasks"]
        self.leases = leases
        self._clock = clock
        self._inputs: dict[str, dict[str, str]] = {}
        self.caps: dict[str, int] = {}

    async def claimable(self, attempts: Iterable[str]) -> list[Claim]:
        """Those of the hinted attempts whose tasks still wait for them."""
        # A task that was done again may be hinted at twice together, in any order: only its newest attempt can still be wanted.
        epochs = {task_of(attempt): epoch_of(attempt) for attempt in sorted(attempts, key=epoch_of)}
        docs = await self._tasks.find({"_id": {"$in": list(epochs)}}, TASK_FIELDS)
        note_unknown(epochs, {doc["_id"] for doc in docs})
        return [claim for doc in docs if (claim := claim_from(doc, epochs[doc["_id"]]))]

    async def claim(self, claims: Sequence[Claim]) -> set[str]:
        """The ids that are ours now. Those of a run with a cap are marked, so that the ones under way can be counted by an index."""
        docs = [claim.document() | ({"capped": claim.run_id} if claim.run_id in self.caps else {}) for claim in claims]
        return await self.leases.claim(docs) if docs else set()

    async def rooms(self, runs: Collection[str], *, here: Callable[[str], int]) -> dict[str, int]:
        """How many more of those of these runs may begin that have a cap; `here` says how many this executor works on."""
        await self._know_runs(runs)
        capped = [run for run in runs if run in self.caps]
        if not capped:
            return {}
        # What is doubted may have been claimed or not, and may have ended since: only the store knows, so it is left out there.
        begun = await self._begun(capped, but=self.leases.doubted())
        return {run: self.caps[run] - max(begun.get(run, 0), here(run)) for run in capped}

    async def over_their_caps(self, won: Collection[str], claims: Sequence[Claim]) -> set[str]:
        """Hand back what was claimed beyond the cap of its run, because another executor claimed at the same time.

        Whoever comes last counts what all others have claimed: so that never more are begun than the cap allows.
        """
        capped: dict[str, list[str]] = defaultdict(list)
        for claim in claims:
            if claim.attempt_id in won and claim.run_id in self.caps:
                capped[claim.run_id].append(claim.attempt_id)
        if not capped:
            return set()
        try:
            begun = await self._begun(list(capped))
            over = {one for run, ours in capped.items() if (more := begun.get(run, 0) - self.caps[run]) > 0 for one in ours[-more:]}
            await asyncio.gather(*(self.leases.finish(one, {"state": Outcome.RELEASED.value}) for one in over))
        except StoreUnavailable:
            self.leases.doubt(one for ours in capped.values() for one in ours)
            raise
        return over

    async def _begun(self, runs: Sequence[str], *, but: Collection[str] = ()) -> dict[str, int]:
        others = {"_id": {"$nin": list(but)}} if but else {}
        return await self._attempts.count_by({"capped": {"$in": list(runs)}, "state": Outcome.RUNNING.value, **others}, "capped")

    async def hand_back(self, attempts: Iterable[str]) -> list[str]:
        """End those of these that nobody has claimed before they begin: they are offered anew, to others. Those that are over now."""
        claims, now = await self.claimable(attempts), self._clock.now()
        unbegun = {"state": Outcome.RELEASED.value, "claimed_at": now, "finished_at": now}
        await self._attempts.insert([{**claim.document(), **unbegun} for claim in claims])
        return await self.ended([claim.attempt_id for claim in claims])

    async def ended(self, attempts: Iterable[str]) -> list[str]:
        """Those that are over: whoever hints at them has not heard it yet."""
        found = await self._attempts.find({"_id": {"$in": list(attempts)}, "state": {"$ne": Outcome.RUNNING.value}}, ("state",))
        return [doc["_id"] for doc in found]

    async def tasks_now(self, task_ids: Sequence[str]) -> dict[str, Doc]:
        """Where these tasks stand."""
        found: dict[str, Doc] = {}
        for at in range(0, len(task_ids), PAGE):
            docs = await self._tasks.find({"_id": {"$in": list(task_ids[at : at + PAGE])}}, ("phase", "epoch", "paused"))
            found |= {doc["_id"]: doc for doc in docs}
        return found

    async def expire(self) -> list[str]:
        """End the attempts whose executor stopped renewing; their ids."""
        where = {"due_at": {"$lte": ServerNow()}, "state": Outcome.RUNNING.value}
        overdue = [doc["_id"] for doc in await self._attempts.find(where, ("state",), limit=PAGE)]
        if overdue:
            change = {"$set": {**LOST, "finished_at": self._clock.now()}, "$unset": {"due_at": ""}}
            await self._attempts.update({**where, "_id": {"$in": overdue}}, change)
        return await self.ended(overdue)

    async def _know_runs(self, runs: Collection[str]) -> None:
        """Read what the submissions of these runs say to every task. It never changes, so it is read once a run."""
        if missing := set(runs) - self._inputs.keys():
            docs = await self._tasks.find({"_id": {"$in": list(missing)}}, ("options",))
            if len(self._inputs) > PAGE:
                self._inputs = {run: self._inputs[run] for run in runs if run in self._inputs}
                self.caps = {run: self.caps[run] for run in runs if run in self.caps}
            for doc in docs:
                options = doc.get("options", {})
                given = options.get("inputs", {})
                self._inputs[doc["_id"]] = {f"{SUBMITTED}{name.upper().replace('-', '_')}": value for name, value in given.items()}
                if cap := options.get("concurrency"):
                    self.caps[doc["_id"]] = cap

    def environment(self, claim: Claim) -> dict[str, str]:
        """What scripts are told: what was submitted, and who they are. The id of the task outlives the attempt: a key for effects."""
        names = {"RUN_ID": claim.run_id, "TASK_ID": claim.task_id, "ATTEMPT_ID": claim.attempt_id}
        return self._inputs.get(claim.run_id, {}) | {f"TASKGROVE_{name}": value for name, value in names.items()}

    async def dependencies(self, claim: Claim) -> dict[str, DependencyResult]:
        """How the tasks that this one waited for have ended, by key; and those that a group around it waited for, the nearest last.

        Of two with one key the nearer counts. A group that waits for very many hands none of them down: each task below would lay out all.
        """
        found: dict[str, DependencyResult] = {}
        if groups := above(claim.task_id)[1:]:
            docs = await self._tasks.find({"_id": {"$in": groups}}, ("dependencies",), sort=(("depth", 1),))
            for doc in docs:
                if needed := doc.get("dependencies"):
                    results = await self._results({"_id": {"$in": list(needed)}})
                    found |= {key: replace(result, inherited=True) for key, result in results.items()}
        return found | await self._own_dependencies(claim)

    async def _own_dependencies(self, claim: Claim) -> dict[str, DependencyResult]:
        if claim.task.get("wide"):
            return await self._results({"feeds": claim.task_id})
        return await self._results({"_id": {"$in": list(claim.task.get("dependencies", []))}})

    async def children(self, claim: Claim) -> dict[str, DependencyResult]:
        """How the children of a parent have ended, by key; with the results of the first MOST_CHILDREN, and of steps that integrate."""
        return await self._results({"parent_id": claim.task_id}, most=MOST_CHILDREN)

    async def around(self, task_id: str) -> Around:
        """What an agent has to know to understand the task."""
        return await around(self._database, task_id)

    async def _results(self, where: dict[str, Any], *, most: int | None = None) -> dict[str, DependencyResult]:
        tasks = await self._tasks.find(where, ("key", "title", "phase", "kind", "epoch", "error", "position"), sort=(("position", 1),))
        if alive := [task["title"] for task in tasks if Phase(task["phase"]) not in TERMINAL]:
            raise BadInput(f"{', '.join(alive[:5])} not over yet; this attempt came too early and will be refused")
        ids = [attempt_id(task["_id"], task["epoch"]) for task in tasks]
        wanted = [one for place, (task, one) in enumerate(zip(tasks, ids, strict=True)) if _has_result(task, place, most)]
        attempts = {doc["_id"]: doc for doc in await self._attempts.find({"_id": {"$in": wanted}}, ("result", "error"))}
        return {task["key"]: _dependency(task, attempts.get(attempt)) for task, attempt in zip(tasks, ids, strict=True)}


def _has_result(task: Doc, place: int, most: int | None) -> bool:
    return most is None or place < most or task["kind"] == "integration"


def _dependency(task: Doc, attempt: Doc | None) -> DependencyResult:
    result = Result.model_validate(attempt["result"]) if attempt and attempt.get("result") else None
    error = (task.get("error") or {}).get("message")
    return DependencyResult(title=task["title"], phase=Phase(task["phase"]), kind=task["kind"], result=result, error=error)
