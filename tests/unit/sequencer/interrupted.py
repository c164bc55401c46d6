"""A sequencer that dies after any of its writes: its store, its handlers' dependencies, and where its tasks stand."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from prometheus_client import CollectorRegistry

from services.planner.store import PlanStore
from services.sequencer.adopt import Tell, adopt
from services.sequencer.deps import Deps
from services.sequencer.domain.decide import Patience
from services.sequencer.handlers import on_tasks_verified
from services.sequencer.metrics import SequencerMetrics
from services.sequencer.store import SCHEMAS, TaskStore
from services.sequencer.sweep import sweep
from shared.clock import ServerClock
from shared.contracts.base import Event
from shared.contracts.checker import TaskVerified
from shared.contracts.plan import Plan, RunOptions, TaskSpec
from shared.contracts.planner import PlanProposed
from shared.ids import attempt_id, plan_id
from shared.memory.store import MemoryDatabase
from shared.messaging.publisher import Says
from shared.storage.port import Change, Collection, Doc, Schema, Update, Where
from shared.telemetry.metrics import ServiceMetrics
from tests.unit.sequencer.tasks import RUN, tells_nothing

STATE = (
    "phase",
    "open",
    "passes",
    "epoch",
    "attempts",
    "paused",
    "error",
    "approval_id",
    "children",
    "plan_version",
    "last_control",
    "dealt",
    "refused",
    "reruns",
    "agent",
)


class Crash(Exception):
    """The process is gone."""


class Mortal:
    """A collection that ends its process after a write; the write is there."""

    def __init__(self, inner: Collection, life: "MortalDatabase") -> None:
        self.name = inner.name
        self._inner = inner
        self._life = life

    async def find(
        self, where: Where, fields: Sequence[str] = (), *, sort: Sequence[tuple[str, int]] = (), limit: int = 0, skip: int = 0
    ) -> list[Doc]:
        return await self._inner.find(where, fields, sort=sort, limit=limit, skip=skip)

    async def insert(self, docs: Sequence[Doc]) -> set[str]:
        return self._life.outlived(await self._inner.insert(docs))

    async def update(self, where: Where, change: Change) -> int:
        return self._life.outlived(await self._inner.update(where, change))

    async def bulk(self, updates: Sequence[Update], *, relaxed: bool = False) -> int:
        return self._life.outlived(await self._inner.bulk(updates, relaxed=relaxed))

    async def take(self, where: Where, change: Change) -> Doc | None:
        return self._life.outlived(await self._inner.take(where, change))

    async def delete(self, where: Where) -> int:
        return self._life.outlived(await self._inner.delete(where))

    async def count(self, where: Where) -> int:
        return await self._inner.count(where)


class MortalDatabase:
    """A database with so many writes left to live."""

    def __init__(self, inner: MemoryDatabase) -> None:
        self.inner = inner
        self.writes_left: int | None = None

    def __getitem__(self, name: str) -> Collection:
        return Mortal(self.inner[name], self)

    def outlived(self, result: Any) -> Any:
        """The result of a write, unless it was the last."""
        if self.writes_left is not None:
            self.writes_left -= 1
            if self.writes_left <= 0:
                raise Crash
        return result

    async def ready(self) -> None:
        await self.inner.ready()

    async def ensure(self, schemas: Sequence[Schema]) -> None:
        await self.inner.ensure(schemas)

    async def close(self) -> None:
        await self.inner.close()


class Bench:
    """A sequencer alone, with all that it reads of others put there by hand."""

    def __init__(self, database: "MortalDatabase | None" = None) -> None:
        self.clock = ServerClock()
        self.database = database or MortalDatabase(MemoryDatabase(self.clock))
        registry = CollectorRegistry()
        self.store = TaskStore(self.database, self.clock, SequencerMetrics(registry))
        self.deps = Deps(self.store, self.database, Patience(0.0, 0.0), ServiceMetrics(registry), tells_nothing)

    async def plan(self, *tasks: TaskSpec, of: str = RUN, options: RunOptions | None = None) -> PlanProposed:
        """A plan as the planner keeps it."""
        await self.database.ensure(SCHEMAS)
        plan = Plan(task_id=of, planner="import", title="run", tasks=tasks)
        kept = options or RunOptions()
        await PlanStore(self.database, self.clock).keep(plan, reason="submitted", options=kept, submitted_by="ann")
        return proposed(of)

    async def outlives(self, act: "Act", *, writes: int) -> bool:
        """Whether the act comes to its end before so many writes have ended its process; another one lives then."""
        self.database.writes_left = writes
        try:
            await act(self)
        except Crash:
            return False
        finally:
            self.database.writes_left = None
        return True

    async def adopts(self, event: PlanProposed, *, tell: Tell = tells_nothing) -> Says:
        """Its tasks are there."""
        return await adopt(self.store, event, tell=tell)

    async def judged(self, judgement: str, *names: str, epoch: int = 1, error: Doc | None = None) -> None:
        """Verdicts as the checker keeps them, and the sequencer hears of them."""
        await self.hears(await self.verdicts(judgement, *names, epoch=epoch, error=error))

    async def verdicts(self, judgement: str, *names: str, epoch: int = 1, error: Doc | None = None) -> TaskVerified:
        """Verdicts as the checker keeps them, on the tasks of these numbers; on the root where the name is empty."""
        ids = [attempt_id(f"{RUN}.{name}".rstrip("."), epoch) for name in names]
        docs = [{"_id": one, "epoch": epoch, "state": "done", "judgement": judgement, "error": error, "reason": None} for one in ids]
        await self.database["verdicts"].insert(docs)
        return TaskVerified(run_id=RUN, verdicts=tuple(ids))

    async def hears(self, *events: TaskVerified) -> Says:
        """One batch."""
        return await on_tasks_verified(events, self.deps)

    async def sweeps(self, rounds: int = 4) -> list[Event]:
        """All that waits is due, again and again; what is said then."""
        says: list[Event] = []
        for _ in range(rounds):
            await self.database["tasks"].update({"due_at": {"$exists": True}}, {"$set": {"due_at": self.clock.now()}})
            says += await sweep(self.deps)
        return says

    async def state(self) -> dict[str, dict[str, Any]]:
        """Where each task stands, by the end of its id; what is over and waits for something says so."""
        docs = await self.database["tasks"].find({})
        return {doc["_id"].removeprefix(RUN): _state(doc) for doc in docs}


def proposed(task_id: str) -> PlanProposed:
    """The first plan of a task is there."""
    return PlanProposed(run_id=RUN, task_id=task_id, plan_id=plan_id(task_id, 1), version=1)


def spec(key: str, *after: str, subtasks: Iterable[TaskSpec] = (), **fields: Any) -> TaskSpec:
    """A task of a plan."""
    below = tuple(subtasks)
    kind = "group" if below else "work"
    return TaskSpec(key=key, title=key, after=after, agent="python", inputs={"call": "noop"}, kind=kind, subtasks=below, **fields)


def _state(doc: Doc) -> dict[str, Any]:
    return {name: doc.get(name) for name in STATE} | {"waits": not doc["open"] and "due_at" in doc}


Act = Callable[[Bench], Awaitable[object]]
"""What a sequencer does because of something that it hears."""
