"""What the page of one run reads of the others' slices: always a bounded window, whatever the size of the run."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.approvals.domain.views import current, dependencies_in, overlaid
from shared.contracts.phases import Phase
from shared.contracts.plan import TaskSpec
from shared.ids import child_id, plan_id
from shared.storage.port import Database, Doc

MOST_ATTEMPTS = 50
MOST_NEIGHBOURS = 50
EDGES = ("title", "phase", "kind", "epoch", "critical", "group", "position", "dependencies", "feeds", "children")


@dataclass(frozen=True, slots=True)
class Window:
    """Some children of a group: those from number `start` (0: the first) on, of `total`."""

    tasks: Sequence[Doc]
    start: int
    total: int


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What a task waits for, and what waits for it, at most MOST_NEIGHBOURS of each."""

    before: Sequence[Doc]
    after: Sequence[Doc]
    phases: Mapping[str, Phase]


class Looking:
    """The collections of the other services, a window at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tasks, self._plans = database["tasks"], database["plans"]

    async def window(self, parent: Doc, *, start: int, limit: int) -> Window:
        """Children in the order of their plans. Their ids follow from the plans' sizes: no sorting."""
        ids = await self.child_ids(parent)
        wanted = ids[start : start + limit]
        found = {task["_id"]: task for task in await self._tasks.find({"_id": {"$in": wanted}})} if wanted else {}
        return Window([found[name] for name in wanted if name in found], start, len(ids))

    async def child_ids(self, parent: Doc) -> list[str]:
        """The ids of all children, in the order of the plans that were carried out."""
        dropped = parent.get("dropped", ())
        versions = [version for version in range(1, int(parent.get("plan_version", 0)) + 1) if version not in dropped]
        plans = [plan_id(parent["_id"], version) for version in versions]
        headers = await self._plans.find({"_id": {"$in": plans}, "state": "proposed"}, ("version", "count")) if plans else []
        headers.sort(key=lambda header: int(header["version"]))
        return [child_id(parent["_id"], header["version"], number) for header in headers for number in range(1, header["count"] + 1)]

    async def graph(self, parent: Doc) -> list[Doc]:
        """All children, with what a graph is drawn of."""
        ids = await self.child_ids(parent)
        return await self._tasks.find({"_id": {"$in": ids}}, EDGES, sort=(("position", 1),)) if ids else []

    async def attempts(self, task_id: str) -> list[Doc]:
        """The newest attempts at a task, the newest first."""
        return await self._of_task("attempts", task_id)

    async def verdicts(self, task_id: str) -> dict[str, Doc]:
        """The verdicts on them, by attempt."""
        return {doc["_id"]: doc for doc in await self._of_task("verdicts", task_id)}

    async def neighbours(self, task: Doc) -> Neighbours:
        """The tasks around this one in the graph."""
        name = task["_id"]
        waits = {"feeds": name} if task.get("wide") else {"_id": {"$in": list(task.get("dependencies", ()))[:MOST_NEIGHBOURS]}}
        fed = [after for _, after in dependencies_in({"_id": name, "feeds": task.get("feeds", ())})][:MOST_NEIGHBOURS]
        before, dependents, wide = await asyncio.gather(
            self._outlines(waits), self._outlines({"dependencies": name}), self._outlines({"_id": {"$in": fed}})
        )
        after = [*dependents, *wide][:MOST_NEIGHBOURS]
        return Neighbours(before, after, await self.phases([*before, *after]))

    async def phases(self, tasks: Iterable[Doc]) -> dict[str, Phase]:
        """The phases of these tasks as people see them: of a ready one its attempt tells whether it runs."""
        found = list(tasks)
        ready = [current(task) for task in found if task["phase"] == Phase.READY]
        attempts = await self._database["attempts"].find({"_id": {"$in": ready}}, ("state",)) if ready else []
        tried = {attempt["_id"]: attempt for attempt in attempts}
        return {task["_id"]: overlaid(task, tried.get(current(task))) for task in found}

    async def titles(self, ids: Iterable[str]) -> dict[str, str]:
        """Titles by id."""
        wanted = list(ids)
        return {doc["_id"]: doc["title"] for doc in await self._tasks.find({"_id": {"$in": wanted}}, ("title",))} if wanted else {}

    async def newest_plan(self, task_id: str, *, version: int) -> Doc | None:
        """The header of the plan after the one that is carried out (`version`; 0: none is), else of that one; None: there is none yet."""
        return await self.header(plan_id(task_id, version + 1)) or await self.header(plan_id(task_id, version))

    async def header(self, plan: str) -> Doc | None:
        """What a plan is, without its tasks; None: it is not made yet."""
        found = await self._plans.find({"_id": plan})
        return found[0] if found else None

    async def whole_plan(self, header: Doc, *, most: int) -> tuple[TaskSpec, ...]:
        """The tasks of a plan, groups with theirs inside; of at most `most` tasks, level by level from the top."""
        specs = await self._specs(header)
        level = [(header, specs)]
        below: dict[str, list[TaskSpec]] = {header["task_id"]: specs}
        room = most - len(specs)
        while level and room > 0:
            groups = [
                child_id(plan["task_id"], plan["version"], number)
                for plan, tasks in level
                for number, task in enumerate(tasks, 1)
                if task.kind == "group"
            ]
            headers = await self._plans.find({"_id": {"$in": [plan_id(group, 1) for group in groups]}}) if groups else []
            level = [(one, await self._specs(one)) for one in headers]
            below |= {one["task_id"]: tasks for one, tasks in level}
            room -= sum(len(tasks) for _, tasks in level)
        return _nested(header["task_id"], header["version"], below)

    async def _specs(self, header: Doc) -> list[TaskSpec]:
        parts = await self._plans.find({"_id": {"$in": [f"{header['_id']}#{number}" for number in range(header["parts"])]}})
        parts.sort(key=lambda part: int(str(part["_id"]).rpartition("#")[2]))
        return [TaskSpec.model_validate(task) for part in parts for task in part["tasks"]]

    async def _of_task(self, name: str, task_id: str) -> list[Doc]:
        where = {"_id": {"$gt": f"{task_id}:", "$lt": f"{task_id};"}}
        found = await self._database[name].find(where)
        return sorted(found, key=lambda doc: int(doc.get("epoch", 0)), reverse=True)[:MOST_ATTEMPTS]

    async def _outlines(self, where: dict[str, Any]) -> list[Doc]:
        return await self._tasks.find(where, ("title", "phase", "kind", "epoch"), limit=MOST_NEIGHBOURS)


def _nested(parent: str, version: int, below: dict[str, list[TaskSpec]]) -> tuple[TaskSpec, ...]:
    numbered = [(child_id(parent, version, number), task) for number, task in enumerate(below.get(parent, ()), 1)]
    return tuple(task.model_copy(update={"subtasks": _nested(name, 1, below)}) if name in below else task for name, task in numbered)
