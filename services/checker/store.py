"""The checker's slice, `verdicts`; and what it reads of attempts and tasks."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from services.checker.domain import Case
from shared.clock import Clock
from shared.contracts.executor import Result
from shared.contracts.phases import Phase
from shared.ids import task_of
from shared.messaging.hints import note_unknown
from shared.models.ledger import calls_schema
from shared.storage.leases import NOBODY, Leases
from shared.storage.port import Database, Doc, Index, Schema, ServerNow

SCHEMAS = (Schema("verdicts", (Index((("due_at", 1),), partial=True),)), calls_schema("checker"))
TASK_FIELDS = ("title", "checks", "children", "by_model", "anew")
PAGE = 500


class VerdictStore:
    """Verdicts by the ids of the attempts that they judge."""

    def __init__(self, database: Database, leases: Leases, clock: Clock) -> None:
        self._verdicts = database["verdicts"]
        self._attempts = database["attempts"]
        self._tasks = database["tasks"]
        self.leases = leases
        self._clock = clock

    async def cases(self, attempts: Sequence[str]) -> list[Case]:
        """These attempts, as far as they are over, with what their tasks must satisfy."""
        over = {"_id": {"$in": list(attempts)}, "state": {"$ne": "running"}}
        ended, tasks = await asyncio.gather(
            self._attempts.find(over, ("run_id", "task_id", "epoch", "state", "result", "error", "reason")),
            self._tasks.find({"_id": {"$in": [task_of(attempt) for attempt in attempts]}}, TASK_FIELDS),
        )
        by_id = {task["_id"]: task for task in tasks}
        note_unknown((task_of(attempt) for attempt in attempts), by_id)
        return [_case(attempt, by_id[attempt["task_id"]]) for attempt in ended if attempt["task_id"] in by_id]

    async def keep(self, verdicts: Iterable[Doc]) -> None:
        """Store verdicts that are done; those that exist stay as they are."""
        if docs := [{**verdict, "created_at": self._clock.now()} for verdict in verdicts]:
            await self._verdicts.insert(docs)

    async def done(self, verdicts: Iterable[str]) -> list[str]:
        """Which of these are done."""
        found = await self._verdicts.find({"_id": {"$in": list(verdicts)}, "state": "done"}, ("state",))
        return [doc["_id"] for doc in found]

    async def unwanted(self, cases: Sequence[Case]) -> list[Case]:
        """Those of these whose tasks wait for no verdict on them."""
        now = await self._tasks.find({"_id": {"$in": [case.task_id for case in cases]}}, ("phase", "epoch")) if cases else []
        waiting = {(doc["_id"], doc["epoch"]) for doc in now if doc["phase"] in (Phase.READY, Phase.INTEGRATING)}
        return [case for case in cases if (case.task_id, case.epoch) not in waiting]

    async def children(self, task_id: str) -> list[tuple[str, Phase]]:
        """How the children of a parent have ended, in the order of the plan. Titles need not differ."""
        docs = await self._tasks.find({"parent_id": task_id}, ("title", "phase", "position"), sort=(("position", 1),))
        return [(doc["title"], Phase(doc["phase"])) for doc in docs]

    async def overdue(self, most: int) -> list[tuple[str, bool]]:
        """Judgements that nobody makes, forgotten, so that they can be claimed anew. The attempts, and whether a checker abandoned them."""
        where: dict[str, Any] = {"due_at": {"$lte": ServerNow()}, "state": "running"}
        found = await self._verdicts.find(where, ("owner",), sort=(("due_at", 1),), limit=min(PAGE, most)) if most else []
        if found:
            await self._verdicts.delete({**where, "_id": {"$in": [doc["_id"] for doc in found]}})
        return [(doc["_id"], doc.get("owner") != NOBODY) for doc in found]


def _case(attempt: Doc, task: Doc) -> Case:
    return Case(
        attempt_id=attempt["_id"],
        task_id=attempt["task_id"],
        run_id=attempt["run_id"],
        epoch=attempt["epoch"],
        title=task["title"],
        state=attempt["state"],
        result=Result.model_validate(attempt["result"]) if attempt.get("result") else Result(),
        error=attempt.get("error"),
        reason=attempt.get("reason"),
        checks=tuple(task.get("checks", ())),
        is_parent=bool(task.get("children")),
        by_model=bool(task.get("by_model")),
        anew=task.get("anew") or "",
    )
