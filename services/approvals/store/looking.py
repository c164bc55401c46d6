"""What the page of one run reads of the others' slices: always a bounded window, whatever the size of the run."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.approvals.domain.views import current, dependencies_in, overlaid
from shared.aside import aside
from shared.contracts.phases import Phase
from shared.contracts.plan import TaskSpec
from shared.ids import child_id, plan_id
from shared.storage.port import Database, Doc

MOST_ATTEMPTS = 50
MOST_NEIGHBOURS = 50
MOST_READ = 5_000
"""So many tasks of a plan are read for whoever looks at it."""
PLAN = ("task_id", "version", "parts", "count")
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


@dataclass(frozen=True, slots=True)
class PlanPart:
    """What was read of a plan, of `total` tasks or, where not all of it was read (`is_whole`), of at least so many."""

    tasks: tuple[TaskSpec, ...]
    total: int
    is_whole: bool = True


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

    async def newest_plan(self, task_id: str, task: Doc | None) -> Doc | None:
        """The header of the plan after the one that is carried out, else of that one, or of what came instead; None: there is none yet."""
        version = int((task or {}).get("plan_version", 0))
        return await self.header(plan_id(task_id, version + 1)) or await self.header(plan_id(task_id, version))

    async def header(self, plan: str) -> Doc | None:
        """What a plan is, without its tasks; None: it is not made yet."""
        found = await self._plans.find({"_id": plan})
        return found[0] if found else None

    async def first_tasks(self, header: Doc, *, most: int) -> list[TaskSpec]:
        """The first tasks of a plan, without those in its groups; at most `most`, and no more is read."""
        return (await self._first_of([header], most=most))[header["task_id"]]

    async def plan(self, header: Doc, *, most: int) -> PlanPart:
        """The tasks of a plan, groups with theirs inside; level by level from the top, at most `most`, and no more is read."""
        below: dict[str, list[TaskSpec]] = {}
        level, total, room, groups = [header], 0, most, list[str]()
        while level:
            total += sum(int(one["count"]) for one in level)
            read = await self._first_of(level, most=room)
            below |= read
            room -= sum(map(len, read.values()))
            versions = {one["task_id"]: one["version"] for one in level}
            groups = [
                child_id(parent, versions[parent], number)
                for parent, tasks in read.items()
                for number, task in enumerate(tasks, 1)
                if task.kind == "group"
            ]
            level = await self._plans_of(groups) if groups and room else []
        return PlanPart(_nested(header["task_id"], header["version"], below), total, total == most - room and (room > 0 or not groups))

    async def _plans_of(self, groups: Sequence[str]) -> list[Doc]:
        """What the plans of these groups are, as far as they have one, in their order."""
        names = [plan_id(group, 1) for group in groups]
        found = {one["_id"]: one for one in await self._plans.find({"_id": {"$in": names}, "state": "proposed"}, PLAN)}
        return [found[name] for name in names if name in found]

    async def _first_of(self, headers: Sequence[Doc], *, most: int) -> dict[str, list[TaskSpec]]:
        """The tasks of these plans, by the task that each is for: of as many plans as there is room for, of the last as many tasks."""
        room, whole = most, list[Doc]()
        for header in headers:
            if header["count"] > room:
                break
            whole.append(header)
            room -= header["count"]
        names = [f"{one['_id']}#{number}" for one in whole for number in range(one["parts"])]
        parts = {part["_id"]: part["tasks"] for part in await self._plans.find({"_id": {"$in": names}})} if names else {}
        found = {one["task_id"]: [task for n in range(one["parts"]) for task in parts.get(f"{one['_id']}#{n}", ())] for one in whole}
        if len(whole) < len(headers) and room:
            found[headers[len(whole)]["task_id"]] = await self._beginning(headers[len(whole)], most=room)
        size = sum(map(len, found.values()))
        return await aside(lambda: {name: [TaskSpec.model_validate(task) for task in tasks] for name, tasks in found.items()}, size=size)

    async def _beginning(self, header: Doc, *, most: int) -> list[Doc]:
        """The first tasks of a plan that has more. How many are in a part depends on how large they are."""
        tasks: list[Doc] = []
        for number in range(header["parts"]):
            tasks += [task for part in await self._plans.find({"_id": f"{header['_id']}#{number}"}) for task in part["tasks"]]
            if len(tasks) >= most:
                break
        return tasks[:most]

    async def _of_task(self, name: str, task_id: str) -> list[Doc]:
        where = {"_id": {"$gt": f"{task_id}:", "$lt": f"{task_id};"}}
        found = await self._database[name].find(where)
        return sorted(found, key=lambda doc: int(doc.get("epoch", 0)), reverse=True)[:MOST_ATTEMPTS]

    async def _outlines(self, where: dict[str, Any]) -> list[Doc]:
        return await self._tasks.find(where, ("title", "phase", "kind", "epoch"), limit=MOST_NEIGHBOURS)


def _nested(parent: str, version: int, below: dict[str, list[TaskSpec]]) -> tuple[TaskSpec, ...]:
    numbered = [(child_id(parent, version, number), task) for number, task in enumerate(below.get(parent, ()), 1)]
    return tuple(task.model_copy(update={"subtasks": _nested(name, 1, below)}) if name in below else task for name, task in numbered)
