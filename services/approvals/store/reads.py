"""What others own, read only: tasks, sequences, plans, attempts, verdicts, put together set by set."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.approvals.domain.runs import CALLS
from services.approvals.domain.summary import Counting, Summary
from services.approvals.domain.tree import Branch, Joined, Nested, by_task
from services.approvals.domain.views import UNKNOWN, Beside, current, dependencies_in, is_group, task_view, usage_of
from shared.aside import aside
from shared.downstream import FIELDS
from shared.ids import above, attempt_id, child_id, in_run, plan_id, run_of, subtree
from shared.storage.port import Collection, Database, Doc, Read, Where

COUNTED = ("parent_id", "phase", "kind", "children", "epoch")
ADDED = ("task_id", "state", "usage", "claimed_at")
EDGES = ("parent_id", "position", "dependencies", "feeds")
PAGE = 500
WHOLE_PAGE = 100
"""Of whole documents, which may have some 100 KiB each."""
BY_ID = ("tasks", "attempts", "verdicts", *CALLS)
COST = ("task_id", "prompt_tokens", "completion_tokens", "usd")
MOST_EPOCHS = 50


@dataclass(frozen=True, slots=True)
class Edges:
    """What tasks depend on, and what depends on them."""

    before: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    after: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def of(self, task_id: str) -> tuple[list[str], list[str]]:
        """Its dependencies and its dependents."""
        return self.before[task_id], self.after[task_id]


@dataclass(frozen=True, slots=True)
class Look:
    """One task, with what else says something of it, and the root of its run."""

    task: Doc
    root: Doc
    beside: Beside


class Reads:
    """The collections of the other services."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tasks, self._attempts, self._verdicts = database["tasks"], database["attempts"], database["verdicts"]

    async def task(self, task_id: str) -> Doc | None:
        """One task."""
        found = await self._tasks.find({"_id": task_id})
        return found[0] if found else None

    async def tasks(self, ids: Iterable[str], fields: Sequence[str] = ()) -> dict[str, Doc]:
        """Those of these tasks that exist."""
        wanted = list(ids)
        return {task["_id"]: task for task in await self._tasks.find({"_id": {"$in": wanted}}, fields)} if wanted else {}

    async def edges(self, run_id: str) -> list[Doc]:
        """Who waits for whom in a run, and who is below whom."""
        return await self._tasks.find(in_run(run_id), FIELDS)

    async def planned(self, run_ids: Sequence[str]) -> set[str]:
        """Those of these runs that the planner, or the sequencer, has taken."""
        plans = {plan_id(run, 1): run for run in run_ids}
        roots, headers = await asyncio.gather(
            self.tasks(run_ids, ("run_id",)), self._database["plans"].find({"_id": {"$in": list(plans)}}, ("run_id",))
        )
        return set(roots) | {plans[plan["_id"]] for plan in headers}

    async def branch(self, top: Doc) -> Branch:
        """A task and all below it."""
        run_id, name = top["run_id"], top["_id"]
        of_branch = {"run_id": run_id, "$or": [{"_id": subtree(name)}, {"_id": {"$gt": f"{name}:", "$lt": f"{name};"}}]}
        below, attempts, verdicts, around, calls = await asyncio.gather(
            self._tasks.find({"_id": subtree(name)}),
            self._attempts.find(of_branch),
            self._verdicts.find(of_branch),
            self.around(top),
            self._calls({"run_id": run_id, "$or": [{"task_id": name}, {"task_id": subtree(name)}]}),
        )
        return Branch([top, *below], attempts, verdicts, *around, calls=calls)

    async def below(self, task_id: str) -> int:
        """How many tasks are below this one."""
        return await self._tasks.count({"_id": subtree(task_id)})

    async def nested(self, joined: Joined) -> AsyncIterator[bytes]:
        """The JSON of `nested_view`, in pieces: no more than a page of whole documents is in memory."""
        nested, names, gone = Nested(joined), await aside(joined.ordered, size=joined.size), set[str]()
        for at in range(0, len(names), WHOLE_PAGE):
            page = names[at : at + WHOLE_PAGE]
            found = await self.tasks(page)
            gone.update(name for name in page if name not in found)  # of a plan that was given up meanwhile
            there = [name for name in page if name not in gone and gone.isdisjoint(above(name))]
            tries = [current(task) for task in found.values()]
            tried, judged = await asyncio.gather(*(some.find({"_id": {"$in": tries}}) for some in (self._attempts, self._verdicts)))
            attempts, verdicts = ({doc["_id"]: doc for doc in docs} for docs in (tried, judged))
            views = (joined.view(found[name], attempts.get(current(found[name])), verdicts.get(current(found[name]))) for name in there)
            yield b"".join([nested.add(view) for view in views])
        yield nested.end()

    async def joined_below(self, top: Doc) -> Joined:
        """What the documents of a branch say of each other, read page by page."""
        name = top["_id"]
        dependencies, dependents = await self.around(top)
        joined = Joined(name, dependencies=dependencies, dependents=dependents)
        joined.tasks([top])
        async for page in self._pages(self._tasks, {"_id": subtree(name)}, EDGES):
            joined.tasks(page)
        where = {"_id": {"$gte": name, "$lt": f"{name};"}, "run_id": top["run_id"], "$or": [{"task_id": name}, {"task_id": subtree(name)}]}
        async for page in self._pages(self._attempts, where, ADDED):
            joined.attempts(page)
        for calls in CALLS:
            async for page in self._pages(self._database[calls], where, COST):
                joined.calls(page)
        return joined

    async def summary(self, run_id: str) -> Summary:
        """How far a run is, read page by page: of a run of 100 000 tasks no more than one page is in memory."""
        counting = Counting(run_id)
        async for page in self._pages(self._tasks, in_run(run_id), COUNTED):
            counting.tasks(page)
        async for page in self._pages(self._attempts, in_run(run_id), ADDED):
            counting.attempts(page)
        for name in CALLS:
            async for page in self._pages(self._database[name], in_run(run_id), COST):
                counting.calls(page)
        return await aside(counting.summary, size=counting.size)

    async def look(self, task_id: str) -> Look | None:
        """One task as it is now, without children and what they cost; None: there is none. In one round trip: somebody waits for it."""
        run_id, of_it = run_of(task_id), {"_id": {"$gt": f"{task_id}:", "$lt": f"{task_id};"}}
        tasks, dependents, fed, attempts, verdicts, *calls = await self._database.read(
            [
                Read("tasks", {"_id": {"$in": [run_id, task_id]}}),
                Read("tasks", {"dependencies": task_id}, ("dependencies",)),
                Read("tasks", {"feeds": task_id}, ("feeds",)),
                Read("attempts", of_it, sort=(("epoch", -1),), limit=MOST_EPOCHS),
                Read("verdicts", of_it, sort=(("epoch", -1),), limit=MOST_EPOCHS),
                *(Read(name, {"run_id": run_id, "task_id": task_id}, COST) for name in CALLS),
            ]
        )
        found = {task["_id"]: task for task in tasks}
        if (task := found.get(task_id)) is None:
            return None
        edges, paid = _edges_in([task, *dependents, *fed]), [call for some in calls for call in some]
        (beside,) = _beside([task], attempts, verdicts=verdicts, children=(), edges=edges, calls=paid)
        return Look(task, found.get(run_id, task), beside)

    async def children(self, parent: Doc) -> list[str]:
        """The ids of the tasks right below this one, in the order of their positions."""
        if parent.get("in_order"):
            return [child_id(parent["_id"], 1, number) for number in range(1, parent["children"] + 1)]
        found = await self._tasks.find({"parent_id": parent["_id"]}, ("parent_id", "position"))
        return _below(found)[parent["_id"]]

    async def around(self, task: Doc) -> tuple[list[str], list[str]]:
        """Its dependencies and its dependents."""
        return (await self._edges([task])).of(task["_id"])

    async def page(self, where: Where, *, sort: int, limit: int) -> list[Doc]:
        """Tasks by id, ascending or descending."""
        return await self._tasks.find(where, sort=(("_id", sort),), limit=limit)

    async def joined(self, tasks: Sequence[Doc], *, related: bool) -> list[tuple[Doc, dict[str, Any]]]:
        """Each with its view, all read together; what a group cost is not looked for. Without `related` no children and dependents."""
        ids = [task["_id"] for task in tasks]
        groups = [task["_id"] for task in tasks if is_group(task)]
        epochs = [attempt_id(t["_id"], epoch) for t in tasks for epoch in range(max(0, t["epoch"] - MOST_EPOCHS), t["epoch"] + 1)]
        attempts, verdicts, children, edges, calls = await asyncio.gather(
            self._attempts.find({"_id": {"$in": epochs}}),
            self._verdicts.find({"_id": {"$in": [current(task) for task in tasks]}}),
            self._tasks.find({"parent_id": {"$in": groups}}, ("parent_id", "position")) if related and groups else self._none(),
            self._edges(tasks, both=related),
            self._calls({"run_id": {"$in": list({task["run_id"] for task in tasks})}, "task_id": {"$in": ids}}),
        )
        besides = _beside(tasks, attempts, verdicts=verdicts, children=children, edges=edges, calls=calls)
        return [(task, task_view(task, beside)) for task, beside in zip(tasks, besides, strict=True)]

    async def sequence(self, task_id: str) -> tuple[Doc, list[Doc]] | None:
        """The newest sequence of a task, and its children; None: it has none."""
        sequences, children = await asyncio.gather(
            self._database["sequences"].find({"run_id": run_of(task_id), "task_id": task_id}),
            self._tasks.find({"parent_id": task_id}, ("position", "group", "dependencies", "feeds")),
        )
        if not sequences:
            return None
        return max(sequences, key=lambda doc: int(str(doc["_id"]).rpartition("@")[2])), children

    def slice_of(self, name: str, run_id: str) -> AsyncIterator[list[Doc]]:
        """All documents of a run in a collection, page by page."""
        where = in_run(run_id) if name in BY_ID else {"run_id": run_id}
        return self._pages(self._database[name], where, (), size=WHOLE_PAGE)

    async def _edges(self, tasks: Sequence[Doc], *, both: bool = True) -> Edges:
        """What these tasks depend on, and what depends on them. Wide ones are named by what they depend on."""
        ids, wide = [task["_id"] for task in tasks], [task["_id"] for task in tasks if task.get("wide")]
        dependents, fed = await asyncio.gather(
            self._tasks.find({"dependencies": {"$in": ids}}, ("dependencies",)) if both else self._none(),
            self._tasks.find({"feeds": {"$in": wide}}, ("feeds",)) if wide and both else self._none(),
        )
        return _edges_in([*tasks, *dependents, *fed])

    async def _calls(self, where: Where) -> list[Doc]:
        """What the models' calls cost, of all services."""
        found = await asyncio.gather(*(self._database[name].find(where, COST) for name in CALLS))
        return [call for calls in found for call in calls]

    async def _pages(self, collection: Collection, where: Where, fields: Sequence[str], *, size: int = PAGE) -> AsyncIterator[list[Doc]]:
        """These documents by id, so many at a time."""
        here = dict(where)
        while page := await collection.find(here, fields, sort=(("_id", 1),), limit=size):
            yield page
            if len(page) < size:
                return
            here["_id"] = {**where.get("_id", {}), "$gt": page[-1]["_id"]}

    async def _none(self) -> list[Doc]:
        return []


def _beside(
    tasks: Sequence[Doc],
    attempts: Sequence[Doc],
    *,
    verdicts: Sequence[Doc],
    children: Sequence[Doc],
    edges: Edges,
    calls: Sequence[Doc],
) -> list[Beside]:
    tried = {attempt["_id"]: attempt for attempt in attempts}
    judged = {verdict["_id"]: verdict for verdict in verdicts}
    used, paid = by_task(attempts), by_task(calls)
    below = _below(children)

    def beside(task: Doc) -> Beside:
        name, key = task["_id"], current(task)
        usage = UNKNOWN if task.get("kind") == "group" else usage_of(used[name], paid[name])
        return Beside(tried.get(key), judged.get(key), usage, below[name], *edges.of(name))

    return [beside(task) for task in tasks]


def _edges_in(tasks: Iterable[Doc]) -> Edges:
    edges = Edges()
    for before, after in sorted({edge for task in tasks for edge in dependencies_in(task)}):
        edges.before[after].append(before)
        edges.after[before].append(after)
    return edges


def _below(children: Sequence[Doc]) -> dict[str, list[str]]:
    below: dict[str, list[str]] = defaultdict(list)
    for child in sorted(children, key=lambda child: (child.get("position") or 0, child["_id"])):
        below[child["parent_id"]].append(child["_id"])
    return below
