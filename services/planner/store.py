"""The planner's slice: `plans`, a header and parts of a bounded size, so that no document grows with the run; `plannings` under way."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from services.planner.domain import digest, digest_of, every, nested
from shared.aside import aside
from shared.clock import Clock, after
from shared.contracts.approvals import TaskSubmitted
from shared.contracts.phases import Phase
from shared.contracts.plan import PRIORITY, Plan, RunOptions, TaskSpec
from shared.contracts.planner import PlanReason
from shared.ids import plan_id, run_of
from shared.models.ledger import calls_schema
from shared.storage.leases import HELD, NOBODY, Leases
from shared.storage.port import Database, Doc, Index, Schema, ServerNow

SCHEMAS = (
    Schema("plans", (Index((("due_at", 1),), partial=True), Index((("run_id", 1),)))),
    Schema("plannings", (Index((("due_at", 1),), partial=True), Index((("run_id", 1),)))),
    calls_schema("planner"),
)
PLANNING = (Phase.EXPANDING, Phase.REPLANNING)
PART = 500
PART_BYTES = 400 * 2**10
"""Of JSON; as BSON, long lists take about twice as much."""
PAGE = 200
HEADER = ("run_id", "task_id", "version", "state", "reason", "error")
HEARD_SECONDS = 10.0
AGAIN_SECONDS = 60.0
AROUND = (
    "key", "title", "description", "kind", "phase", "plan_version", "dependencies", "checks", "notes", "inputs", "priority", "checkpoint",
)  # fmt: skip


class PlanStore:
    """Plans as they were proposed; never edited."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._plans = database["plans"]
        self._submissions = database["submissions"]
        self._attempts = database["attempts"]
        self._tasks = database["tasks"]
        self._clock = clock

    async def header(self, plan: str) -> Doc | None:
        """A plan without its tasks; None when there is none."""
        found = await self._plans.find({"_id": plan})
        return found[0] if found else None

    async def keep(self, whole: Plan, *, reason: PlanReason, options: RunOptions, submitted_by: str, findings: Sequence[Doc] = ()) -> Doc:
        """Store a plan and those nested in it, its own header last: once it is there, all of them are whole. The header that is kept."""
        of_all = {
            "reason": reason,
            "options": options.model_dump(mode="json"),
            "submitted_by": submitted_by,
            "created_at": self._clock.now(),
        }
        headers, parts = await aside(lambda: _documents(whole, of_all), size=sum(1 for _ in every(whole.tasks)))
        for at in range(0, len(parts), 20):
            await self._plans.insert(parts[at : at + 20])
        await self._plans.insert(headers[1:])
        return await self._first(headers[0] | {"findings": list(findings)} | self._until_heard(whole.task_id))

    async def keep_failure(self, task_id: str, version: int, *, reason: PlanReason, error: str) -> Doc:
        """Store that there is no plan, and why. The header that is kept: where somebody had a plan first, of that."""
        failure = {"task_id": task_id, "version": version, "state": "failed", "reason": reason, "error": error, "parts": 0}
        identity = {"_id": plan_id(task_id, version), "part": False, "run_id": run_of(task_id), "created_at": self._clock.now()}
        return await self._first(identity | failure | self._until_heard(task_id))

    async def unheard(self) -> list[Doc]:
        """Plans of whole runs that nobody took up: a run without a task cannot ask again for its plan. The others wait no more."""
        due = await self._plans.find({"due_at": {"$lte": ServerNow()}}, HEADER, limit=PAGE)
        roots = await self._tasks.find({"_id": {"$in": [header["task_id"] for header in due]}}, ("run_id",)) if due else []
        begun = {root["_id"] for root in roots}
        left = [header for header in due if header["task_id"] not in begun]
        if heard := [header["_id"] for header in due if header["task_id"] in begun]:
            await self._plans.update({"_id": {"$in": heard}}, {"$unset": {"due_at": ""}})
        if left:
            later = {"due_at": after(self._clock, AGAIN_SECONDS)}
            await self._plans.update({"_id": {"$in": [header["_id"] for header in left]}}, {"$set": later})
        return left

    async def unwanted(self, plannings: Mapping[str, str]) -> list[str]:
        """Those of these plans, by the tasks that they are for, that are not waited for. A run's first plan is, until the run is there."""
        tasks = await self._tasks.find({"_id": {"$in": list(plannings.values())}}, ("phase", "plan_version"))
        waits = {doc["_id"]: plan_id(doc["_id"], doc.get("plan_version", 0) + 1) if doc["phase"] in PLANNING else None for doc in tasks}
        return [name for name, task_id in plannings.items() if waits.get(task_id, name) != name]

    async def submission(self, run_id: str) -> TaskSubmitted | None:
        """What started the run, when it came over the API."""
        found = await self._submissions.find({"_id": run_id}, ("event",))
        return TaskSubmitted.model_validate(found[0]["event"]) if found and found[0].get("event") else None

    async def proposal(self, task_id: str) -> tuple[list[TaskSpec], str]:
        """The breakdown that the last attempt proposed when it found the task too big, and its reason."""
        where = {"_id": {"$gte": f"{task_id}:", "$lt": f"{task_id};"}, "state": "too_big"}
        found = await self._attempts.find(where, ("proposal", "reason", "epoch"), sort=(("epoch", -1),), limit=1)
        if not found:
            return [], "it was found too big"
        return [TaskSpec.model_validate(task) for task in found[0].get("proposal", [])], found[0].get("reason") or "it was found too big"

    async def priority(self, task_id: str) -> int:
        """How urgent this task is, and so what is below it."""
        found = await self._tasks.find({"_id": task_id}, ("priority",))
        return int(found[0].get("priority", PRIORITY)) if found else PRIORITY

    async def tasks(self, task_ids: Sequence[str]) -> list[Doc]:
        """These tasks, as far as a planner needs to know them, in the order of the ids."""
        found = {doc["_id"]: doc for doc in await self._tasks.find({"_id": {"$in": list(task_ids)}}, AROUND)} if task_ids else {}
        return [found[name] for name in task_ids if name in found]

    async def headers_of(self, task_id: str) -> list[Doc]:
        """All plans that this task had, and those that failed: '@' is followed by 'A' in ASCII."""
        return await self._plans.find({"_id": {"$gte": f"{task_id}@", "$lt": f"{task_id}A"}, "part": False}, HEADER)

    async def _first(self, header: Doc) -> Doc:
        """Insert it; where somebody was faster, theirs."""
        somebody_was = await self._plans.insert([header])
        return (await self._plans.find({"_id": header["_id"]}))[0] if somebody_was else header

    def _until_heard(self, task_id: str) -> Doc:
        return {"due_at": after(self._clock, HEARD_SECONDS)} if task_id == run_of(task_id) else {}


def _documents(whole: Plan, of_all: Doc) -> tuple[list[Doc], list[Doc]]:
    """Headers, the whole plan's own first, and parts."""
    headers, parts = list[Doc](), list[Doc]()
    levels = nested(whole)
    for number, plan in enumerate(levels):
        specs = [task.wire() for task in plan.tasks]
        identifier, run_id = plan_id(plan.task_id, plan.version), run_of(plan.task_id)
        pages = _pages(specs)
        parts += [{"_id": f"{identifier}#{n}", "part": True, "run_id": run_id, "tasks": page} for n, page in enumerate(pages)]
        # One plan for all levels has them in its digest; where there is one level, its tasks are JSON types already.
        sealed = (
            digest(whole) if number == 0 and len(levels) > 1 else digest_of(plan.model_copy(update={"tasks": ()}).wire() | {"tasks": specs})
        )
        sizes = {"parts": len(pages), "count": len(specs), "digest": sealed}
        headers.append(_header(plan) | of_all | sizes)
    return headers, parts


def _pages(specs: Sequence[Doc]) -> list[list[Doc]]:
    """In order, at most so many and so large together; one that is larger by itself goes alone."""
    pages, room = list[list[Doc]](), 0
    for spec in specs:
        size = len(orjson.dumps(spec))
        if not pages or size > room or len(pages[-1]) >= PART:
            pages.append([])
            room = PART_BYTES
        pages[-1].append(spec)
        room -= size
    return pages


def _header(plan: Plan) -> Doc:
    return {
        "_id": plan_id(plan.task_id, plan.version),
        "part": False,
        "run_id": run_of(plan.task_id),
        "task_id": plan.task_id,
        "version": plan.version,
        "planner": plan.planner,
        "title": plan.title,
        "description": plan.description,
        "checks": list(plan.checks),
        "model": plan.model,
        "prompt_hash": plan.prompt_hash,
        "state": "proposed",
        **({"further": plan.further} if plan.further else {}),
    }


class PlanningStore:
    """Plans that are being made, by the ids of the plans. `asked` and `made` are JSON text: they need not be storable as documents."""

    def __init__(self, database: Database, leases: Leases, clock: Clock, *, owner: str) -> None:
        self._plannings = database["plannings"]
        self.leases = leases
        self._clock = clock
        self._owner = owner

    async def claim(self, planning: Doc) -> bool:
        """Whether it is ours to make."""
        return bool(await self.leases.claim([planning]))

    async def take_over(self, most: int) -> list[tuple[Doc, bool]]:
        """What waits, and what was abandoned (true): ours from now on. What was made already is kept in it."""
        overdue = {"state": HELD, "due_at": {"$lte": ServerNow()}}
        taken = []
        for found in await self._plannings.find(overdue, ("owner",), sort=(("due_at", 1),), limit=most):
            mine = {"owner": self._owner, "due_at": after(self._clock, self.leases.seconds), "claimed_at": self._clock.now()}
            if planning := await self._plannings.take({"_id": found["_id"], **overdue}, {"$set": mine}):
                taken.append((planning, found["owner"] != NOBODY))
        return taken

    async def record(self, planning_id: str, made: dict[str, Any]) -> bool:
        """Write down what was made before anything is done with it; False where the lease was lost, or where another plan counts."""
        ours = {"_id": planning_id, "owner": self._owner, "state": HELD, "made": {"$exists": False}}
        return await self._plannings.take(ours, {"$set": {"made": orjson.dumps(made).decode()}}) is not None

    async def finish(self, planning_id: str) -> None:
        """It is kept; what it was made from is not needed any more."""
        await self.leases.finish(planning_id, {"state": "done", "asked": None, "made": None})

    async def forget(self, planning_id: str) -> None:
        """Nobody waits for it; asked again, it is made."""
        await self._plannings.delete({"_id": planning_id, "owner": self._owner, "state": HELD})
