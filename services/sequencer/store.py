"""The sequencer's slice, `tasks` and `sequences`, as domain types; and what it reads of the others'."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from services.sequencer.domain.again import OUTLINE
from services.sequencer.domain.answer import Answer
from services.sequencer.domain.decide import Verdict
from services.sequencer.domain.phases import REOPENED, How, Move
from services.sequencer.domain.task import FIELDS, Task, task_from
from services.sequencer.metrics import SequencerMetrics
from shared.aside import aside
from shared.clock import Clock, after
from shared.contracts.phases import TERMINAL, Phase
from shared.contracts.plan import TaskSpec
from shared.ids import in_run, subtree, task_of
from shared.messaging.hints import note_unknown
from shared.orders import FIELDS as NOTED
from shared.orders import Noted, noted_in
from shared.storage.port import Database, Doc, Index, Schema, ServerNow, Update, Where

SCHEMAS = (
    Schema(
        "tasks",
        (
            Index((("due_at", 1),), partial=True),
            Index((("parent_id", 1), ("open", 1))),
            Index((("dependencies", 1),), partial=True),
            Index((("feeds", 1), ("passes", 1), ("open", 1)), partial=True),
        ),
    ),
    Schema("sequences", (Index((("run_id", 1),)),)),
)
PAGE = 500
PARTS = 10


class TaskStore:
    """Sets in, sets out. Every change is conditional on the phase and epoch that were read."""

    def __init__(self, database: Database, clock: Clock, metrics: SequencerMetrics) -> None:
        self._tasks = database["tasks"]
        self._sequences = database["sequences"]
        self._plans = database["plans"]
        self._plannings = database["plannings"]
        self._verdicts = database["verdicts"]
        self._approvals = database["approvals"]
        self.clock = clock
        self._metrics = metrics

    async def find(self, where: Where, *, limit: int = 0) -> list[Task]:
        """Tasks that match, with their dependencies."""
        return [task_from(doc) for doc in await self._tasks.find(where, (*FIELDS, "dependencies"), limit=limit)]

    async def get(self, task_ids: Iterable[str]) -> dict[str, Task]:
        """These tasks, by id, as far as they exist."""
        docs = await self._tasks.find({"_id": {"$in": list(task_ids)}}, FIELDS)
        return {doc["_id"]: task_from(doc) for doc in docs}

    async def outlines(self, run_id: str) -> dict[str, Doc]:
        """What decides which tasks of a run an order reopens."""
        return {doc["_id"]: doc for doc in await self._tasks.find(in_run(run_id), OUTLINE)}

    async def timed(self, task_ids: Sequence[str]) -> list[Doc]:
        """What the spans of those of these tasks tell that are over."""
        fields = ("parent_id", "kind", "phase", "attempts", "depth", "created_at", "was_over", "reopened_at", "finished_at")
        return await self._tasks.find({"_id": {"$in": list(task_ids)}, "open": False, "finished_at": {"$exists": True}}, fields)

    async def with_verdicts(self, verdict_ids: Sequence[str]) -> list[tuple[Task, Verdict]]:
        """Each verdict that is done, with its task."""
        fields = ("epoch", "judgement", "error", "reason", "state")
        verdicts, tasks = await asyncio.gather(
            self._verdicts.find({"_id": {"$in": list(verdict_ids)}, "state": "done"}, fields),
            self.get({task_of(verdict) for verdict in verdict_ids}),
        )
        note_unknown((task_of(verdict) for verdict in verdict_ids), tasks)
        return [
            (task, Verdict(doc["epoch"], doc["judgement"], doc.get("error"), doc.get("reason")))
            for doc in verdicts
            if (task := tasks.get(task_of(doc["_id"])))
        ]

    async def with_answers(self, approval_ids: Sequence[str]) -> list[tuple[Task, Answer]]:
        """Each approval that is decided, with its task."""
        docs = await self._approvals.find({"_id": {"$in": list(approval_ids)}, "state": {"$ne": "pending"}})
        tasks = await self.get({doc["task_id"] for doc in docs})
        own = await self.own([doc["task_id"] for doc in docs if doc["state"] == "take_over"])
        return [(task, _answer(doc, own.get(task.task_id))) for doc in docs if (task := tasks.get(doc["task_id"]))]

    async def own(self, task_ids: Sequence[str]) -> dict[str, Doc]:
        """Agent and inputs of these tasks."""
        docs = await self._tasks.find({"_id": {"$in": list(task_ids)}}, ("agent", "inputs")) if task_ids else []
        return {doc["_id"]: {"agent": doc.get("agent"), "inputs": doc.get("inputs", {})} for doc in docs}

    async def due(self) -> list[Task]:
        """What is overdue, a page of it, the oldest first."""
        docs = await self._tasks.find({"due_at": {"$lte": ServerNow()}}, (*FIELDS, "dependencies"), sort=(("due_at", 1),), limit=PAGE)
        return [task_from(doc) for doc in docs]

    async def write(self, moves: Sequence[Move], *, settled: Sequence[str] = (), relaxed: bool = False) -> list[Move]:
        """Write the moves, equal ones together, then note that `settled` wait for nothing more. The moves that took effect come back."""
        groups: dict[tuple[Phase, int, How], list[str]] = defaultdict(list)
        for move in moves:
            groups[move.task.phase, move.task.epoch, move.how].append(move.task.task_id)
        updates = [
            Update({"_id": {"$in": ids}, "phase": phase, "epoch": epoch}, self._change(how)) for (phase, epoch, how), ids in groups.items()
        ]
        if settled:
            updates.append(Update({"_id": {"$in": list(settled)}, "open": False}, {"$unset": {"due_at": ""}}))
        done = list(moves)
        if await self._tasks.bulk(updates, relaxed=relaxed) < len(moves) + len(settled):
            now = await self.get(move.task.task_id for move in moves)
            done = [m for m in moves if (task := now.get(m.task.task_id)) and task.phase is m.how.target and task.epoch == m.epoch]
        self._metrics.entered(move.how.target for move in done)
        return done

    async def hint_later(self, tasks: Sequence[Task], *, base: float, cap: float) -> None:
        """They were looked at again; look less often each time."""
        waits: dict[int, list[str]] = defaultdict(list)
        for task in tasks:
            waits[task.nudges].append(task.task_id)
        await self._tasks.bulk(
            [
                Update(
                    {"_id": {"$in": ids}, "due_at": {"$exists": True}},
                    {"$set": {"due_at": after(self.clock, min(cap, base * 2.0 ** min(n, 16))), "nudges": n + 1}},
                )
                for n, ids in waits.items()
            ]
        )

    async def change(self, where: Where, fields: dict[str, Any]) -> int:
        """Set fields that are not a phase: pause, flags."""
        return await self._tasks.update(where, {"$set": fields, "$inc": {"version": 1}})

    async def remove(self, task_ids: Sequence[str]) -> None:
        """Take away tasks of a plan that is not carried out."""
        await self._tasks.delete({"_id": {"$in": list(task_ids)}})

    async def note(self, task_id: str, control_id: str, *, refused: str | None = None) -> None:
        """An order is dealt with: carried out, or refused for this reason. Nothing of the task is another by that."""
        fields = {"refused": refused, "refused_control": control_id} if refused else {}
        change = {} if refused else {"$max": {"last_control": control_id}}
        while found := await self._tasks.find({"_id": task_id}, NOTED):
            noted = noted_in(found[0])
            if noted.is_dealt_with(control_id):
                return
            as_read = {"dealt": list(noted.dealt) if noted.dealt else {"$exists": False}}
            kept = {**fields, "dealt": noted.with_order(control_id)}
            if await self._tasks.update({"_id": task_id, **as_read}, {"$set": kept, **change}):
                return

    async def noted(self, task_id: str) -> Noted:
        """What is noted of the orders for a task."""
        found = await self._tasks.find({"_id": task_id}, NOTED)
        return noted_in(found[0] if found else None)

    async def cancel_open(self, where: Where, error: dict[str, Any], *, wait: float | None = None) -> int:
        """Cancel all of these that are not over: from every such phase the table allows it."""
        change = self._change(How(Phase.CANCELLED, wait=wait, fields=(("error", error), ("approval_id", None), ("asking", None))))
        cancelled = await self._tasks.update({**where, "open": True}, change)
        self._metrics.entered([Phase.CANCELLED] * cancelled)
        return cancelled

    async def open_children(self, parent_ids: Sequence[str]) -> set[str]:
        """Which of these parents have a child that is not over."""
        probes = await asyncio.gather(*(self._tasks.find({"parent_id": p, "open": True}, ("open",), limit=1) for p in parent_ids))
        return {parent for parent, found in zip(parent_ids, probes, strict=True) if found}

    async def any_over(self, parent_id: str) -> bool:
        """Whether a child of this parent is over."""
        return bool(await self._tasks.find({"parent_id": parent_id, "open": False}, ("open",), limit=1))

    async def not_passing(self, task_ids: Iterable[str]) -> dict[str, bool]:
        """Of these tasks, those whose dependents may not go; whether each is still open."""
        wanted = list(task_ids)
        docs = await self._tasks.find({"_id": {"$in": wanted}, "passes": False}, ("open",)) if wanted else []
        return {doc["_id"]: doc["open"] for doc in docs}

    async def wide_obstacle(self, task_id: str) -> bool | None:
        """What a wide task waits for: None nothing, False something that will never come, True something that is open."""
        found = await self._tasks.find({"feeds": task_id, "passes": False}, ("open",), sort=(("open", 1),), limit=1)
        return found[0]["open"] if found else None

    async def plan(self, plan_id: str) -> tuple[Doc, list[TaskSpec]]:
        """A plan's header and its tasks; raises KeyError when it is not there."""
        found = {doc["_id"]: doc for doc in await self._plans.find({"_id": {"$in": [plan_id, f"{plan_id}#0"]}})}
        header, first = found[plan_id], [doc for name, doc in found.items() if name != plan_id]
        names = [name for number in range(header["parts"]) if (name := f"{plan_id}#{number}") not in found]
        size = header.get("count", 0)
        specs = await aside(partial(_specs_in, first), size=size)
        for at in range(0, len(names), PARTS):  # as documents they take three times as much memory: never all of them together
            parts = await self._plans.find({"_id": {"$in": names[at : at + PARTS]}})
            parts.sort(key=lambda part: int(part["_id"].rpartition("#")[2]))
            specs += await aside(partial(_specs_in, parts), size=size)
        return header, specs

    async def in_the_making(self, plan_ids: Sequence[str]) -> set[str]:
        """Which of these plans a planner has heard of and still makes; its own sweep looks after them."""
        return {doc["_id"] for doc in await self._plannings.find({"_id": {"$in": list(plan_ids)}, "state": "running"}, ("state",))}

    async def size_of_run(self, run_id: str) -> int:
        """How many tasks the run has, with its root."""
        return 1 + await self._tasks.count({"_id": subtree(run_id)})

    async def count(self, task_ids: Sequence[str]) -> int:
        """How many of these there are."""
        return await self._tasks.count({"_id": {"$in": list(task_ids)}})

    async def options(self, run_id: str) -> Doc:
        """What the submission set for its run."""
        docs = await self._tasks.find({"_id": run_id}, ("options", "submitted_by"))
        return docs[0].get("options", {}) if docs else {}

    async def insert(self, documents: Sequence[Doc]) -> set[str]:
        """Insert task documents; those that are there already stay as they are, and come back."""
        there = await self._tasks.insert(documents)
        self._metrics.entered(document["phase"] for document in documents if document["_id"] not in there)
        return there

    async def insert_sequence(self, document: Doc) -> None:
        """Keep what was derived from a plan."""
        await self._sequences.insert([document])

    def _change(self, how: How) -> Doc:
        over = how.target in TERMINAL
        fields: Doc = {"phase": how.target, "open": not over, "passes": how.passes, **dict(how.fields)}
        change: Doc = {"$set": fields, "$inc": {"version": 1, **({"epoch": 1} if how.dispatch or how.renew else {})}}
        if over:
            fields["finished_at"] = self.clock.now()
        if how.renew and how.target in REOPENED:
            fields["reopened_at"] = self.clock.now()
        if how.dispatch:
            fields["ready_at"] = self.clock.now()
        if how.wait is None:
            change["$unset"] = {"due_at": ""}
        else:
            fields["due_at"] = after(self.clock, how.wait)
        return change


def born(document: Doc, move: Move, clock: Clock) -> None:
    """Apply a first move to a document that is not stored yet."""
    document |= {"phase": move.how.target, "epoch": move.epoch, **dict(move.how.fields)}
    if move.how.dispatch:
        document["ready_at"] = clock.now()
    if move.how.wait is not None:
        document["due_at"] = after(clock, move.how.wait)


def _specs_in(parts: Sequence[Doc]) -> list[TaskSpec]:
    return [TaskSpec.model_validate(task) for part in parts for task in part["tasks"]]


def _answer(doc: Doc, own: Doc | None) -> Answer:
    last = doc["decisions"][-1] if doc.get("decisions") else {}
    return Answer(doc["_id"], doc["kind"], doc["state"], last.get("by", "nobody"), last.get("comment", ""), last.get("result"), own)
