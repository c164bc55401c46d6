"""A sequencer of several replicas that race, die after any write and hear everything late or twice, while people order at random.

Executors and checker are played here: whatever is ready is tried once an epoch, and judged. What counts is where the run stands at its end.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from services.planner.domain import nested
from services.sequencer.adopt import adopt
from services.sequencer.control import obey
from services.sequencer.handlers import on_tasks_verified
from services.sequencer.sweep import sweep
from shared.contracts.approvals import TaskControl
from shared.contracts.base import Event
from shared.contracts.checker import TaskVerified
from shared.contracts.phases import Action, Phase, legal_actions
from shared.contracts.plan import Plan, TaskSpec
from shared.contracts.planner import PlanProposed
from shared.contracts.sequencer import PlanRequested
from shared.ids import attempt_id, plan_id, task_of
from shared.memory.store import MemoryDatabase
from shared.storage.port import Change, Doc, Update, Where
from tests.unit.sequencer.interrupted import Bench, Crash, Mortal, MortalDatabase, spec
from tests.unit.sequencer.tasks import RUN

REPLICAS = 3
SHARE_OF_CRASHES, SHARE_OF_REPEATS, SHARE_OF_FAILURES = 0.04, 0.1, 0.1
OVER = (Phase.COMPLETED, Phase.FAILED, Phase.CANCELLED, Phase.SKIPPED)
MOST_ROUNDS = 3_000


class Slow(Mortal):
    """A collection whose answers take their time: what another replica does meanwhile comes in between."""

    def __init__(self, inner: Any, life: "Restless") -> None:
        super().__init__(inner, life)
        self._dice = life.dice

    async def _wait(self) -> None:
        for _ in range(self._dice.choice((0, 0, 1, 3, 8, 40))):
            await asyncio.sleep(0)

    async def find(self, where: Where, fields: Sequence[str] = (), **how: Any) -> list[Doc]:
        found = await super().find(where, fields, **how)
        await self._wait()
        return found

    async def insert(self, docs: Sequence[Doc]) -> set[str]:
        await self._wait()
        return await super().insert(docs)

    async def update(self, where: Where, change: Change) -> int:
        await self._wait()
        return await super().update(where, change)

    async def bulk(self, updates: Sequence[Update], *, relaxed: bool = False) -> int:
        matched = 0
        for update in updates:  # one by one, as a server that writes many documents does not do it at once
            await self._wait()
            matched += await self._inner.bulk([update], relaxed=relaxed)
        return int(self._life.outlived(matched))


class Restless(MortalDatabase):
    """One replica's way to the database that all share."""

    def __init__(self, inner: MemoryDatabase, dice: random.Random) -> None:
        super().__init__(inner)
        self.dice = dice

    def __getitem__(self, name: str) -> Any:
        return Slow(self.inner[name], self)


@dataclass
class World:
    """One run, from its plan to its end. `began` and `done` say when which attempt was, by a clock that counts."""

    seed: int
    bench: Bench = field(default_factory=Bench)
    time: int = 0
    began: dict[str, int] = field(default_factory=dict)
    done: dict[str, int] = field(default_factory=dict)
    heard: list[Event] = field(default_factory=list)
    orders: list[tuple[int, TaskControl]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)  # noqa: S311 (a test that can be repeated)
        self.inner = self.bench.database.inner
        self.replicas = [self._replica() for _ in range(REPLICAS)]

    def _replica(self) -> Bench:
        return Bench(Restless(self.inner, self.dice))

    async def live(self) -> None:
        """Begin, be ordered about, and go on until nothing is open any more."""
        event = await self.bench.plan(*self._plan())
        self.plans = {plan.task_id: plan for plan in nested(Plan(task_id=RUN, planner="import", tasks=self.specs))}
        self.heard.append(event)
        for number in range(MOST_ROUNDS):
            restless = number < self.dice.choice((20, 40, 80))
            await asyncio.gather(*(self._act(replica, restless=restless) for replica in self.replicas))
            if not restless and not self.heard and await self._is_over():
                return
        raise AssertionError(f"seed {self.seed}: it never ends: {await self.stand()}")

    async def stand(self) -> dict[str, str]:
        """Where the open tasks stand."""
        tasks = await self.inner["tasks"].find({"open": True})
        return {doc["_id"].removeprefix(RUN): f"{doc['phase']} {doc['epoch']} {'paused' if doc['paused'] else ''}" for doc in tasks}

    async def _act(self, replica: Bench, *, restless: bool) -> None:
        self.time += 1
        what = self.dice.random()
        if self.heard and what < 0.6:
            await self._hear(replica, self.heard.pop(self.dice.randrange(len(self.heard))), restless=restless)
        elif what < 0.75:
            await self._work()
        elif what < 0.85 and (restless or self.dice.random() < 0.3):
            await self._order(restless=restless)
        elif what < 0.9 or not restless:
            await self._sweep(replica)

    async def _hear(self, replica: Bench, event: Event, *, restless: bool) -> None:
        replica.database.writes_left = self.dice.randint(1, 6) if restless and self.dice.random() < SHARE_OF_CRASHES else None
        try:
            self.said(await _handled(replica, event))
        except Crash:
            self.heard.append(event)
        else:
            if restless and self.dice.random() < SHARE_OF_REPEATS:
                self.heard.append(event)
        replica.database.writes_left = None

    async def _sweep(self, replica: Bench) -> None:
        await self.inner["tasks"].update({"due_at": {"$exists": True}}, {"$set": {"due_at": replica.clock.now()}})
        self.said(await sweep(replica.deps))

    def said(self, says: Sequence[Event]) -> None:
        """What is for others is done here; hints that work is ready are dropped: whoever looks finds it."""
        for event in says:
            if isinstance(event, PlanRequested):
                assert event.version == 1, "nobody fails to plan here"
                self.heard.append(PlanProposed(run_id=RUN, task_id=event.task_id, plan_id=plan_id(event.task_id, 1), version=1))

    async def _work(self) -> None:
        """Someone tries one task that may be tried, or a try that was begun ends."""
        ready = await self.inner["tasks"].find({"phase": {"$in": [Phase.READY, Phase.INTEGRATING]}, "paused": False})
        fresh = [doc for doc in ready if attempt_id(doc["_id"], doc["epoch"]) not in self.began]
        under_way = sorted(self.began.keys() - self.done.keys())
        if fresh and (not under_way or self.dice.random() < 0.5):
            doc = self.dice.choice(sorted(fresh, key=lambda one: str(one["_id"])))
            self.began[attempt_id(doc["_id"], doc["epoch"])] = self.time
        elif under_way:
            await self._end(self.dice.choice(under_way))

    async def _end(self, attempt: str) -> None:
        self.done[attempt] = self.time
        fails, error = self.dice.random() < SHARE_OF_FAILURES, {"code": "failed", "message": "dice", "permanent": True}
        missed = [doc for doc in await self.inner["tasks"].find({"parent_id": task_of(attempt)}) if doc["phase"] not in OVER[::3]]
        if missed:
            fails, error = True, {"code": "children_failed", "message": "below", "permanent": True}
        epoch = int(attempt.rpartition(":")[2])
        verdict = {"state": "done", "judgement": "failed" if fails else "passed", "error": error if fails else None, "reason": None}
        await self.inner["verdicts"].insert([{"_id": attempt, "epoch": epoch, **verdict}])
        self.heard.append(TaskVerified(run_id=RUN, verdicts=(attempt,)))

    async def _order(self, *, restless: bool) -> None:
        """Anything, for any task; at the end only what brings on the run."""
        tasks = await self.inner["tasks"].find({} if restless else {"open": True, "$or": [{"phase": Phase.ESCALATED}, {"paused": True}]})
        if not tasks:
            return
        doc = self.dice.choice(sorted(tasks, key=lambda one: str(one["_id"])))
        wanted = set(Action) - {Action.COMPLETE} - (set() if restless else {Action.PAUSE, Action.CANCEL})
        legal = [one for one in legal_actions(Phase(doc["phase"]), paused=doc["paused"]) if one in wanted]
        weights = [6 if one in (Action.RERUN, Action.RETRY) else 1 for one in legal]
        action = self.dice.choices(legal, weights)[0]
        version = doc["version"] if action is Action.RERUN else None
        number = f"{len(self.orders) + 1:032}"
        order = TaskControl(run_id=RUN, task_id=doc["_id"], control_id=number, action=action, by="ann", version=version)
        self.orders.append((self.time, order))
        self.heard.append(order)

    async def _is_over(self) -> bool:
        return not await self.inner["tasks"].find({"$or": [{"open": True}, {"due_at": {"$exists": True}}]})

    def _plan(self) -> list[TaskSpec]:
        self.specs = tuple(self._level(self.dice.randint(2, 5), depth=1))
        return list(self.specs)

    def _level(self, count: int, *, depth: int) -> list[TaskSpec]:
        specs: list[TaskSpec] = []
        for number in range(count):
            before = [one.key for one in specs if self.dice.random() < 0.45]
            below = self._level(self.dice.randint(1, 3), depth=depth + 1) if depth < 3 and self.dice.random() < 0.35 else []
            specs.append(spec(f"{'abc'[depth - 1]}{number}", *before, subtasks=below, on_failure=self.dice.choice(("fail", "continue"))))
        return specs

    async def mistakes(self) -> list[str]:
        """What must not be once all is over: a result that came of another one which does not count."""
        tasks = {doc["_id"]: doc for doc in await self.inner["tasks"].find({})}
        found = [f"{name} is {doc['phase']} and {doc['open']}" for name, doc in tasks.items() if doc["open"] is (doc["phase"] in OVER)]
        for name, doc in tasks.items():
            if doc["phase"] == Phase.COMPLETED:
                began = self.began[attempt_id(name, doc["epoch"])]
                for before in self._needed(doc, tasks):
                    ended = self.done.get(attempt_id(before["_id"], before["epoch"]), 0)
                    if before["phase"] == Phase.COMPLETED and ended > began:
                        found.append(f"{name} began at {began}, before {before['_id']} ended at {ended}")
                    if before["phase"] in OVER and not before["passes"]:
                        found.append(f"{name} is done though {before['_id']} is {before['phase']}")
        return found

    @staticmethod
    def _needed(doc: Doc, tasks: dict[str, Doc]) -> list[Doc]:
        """What a task waits for, with what the groups around it wait for; and what a parent joins."""
        parts = doc["_id"].split(".")
        line = [tasks[".".join(parts[:length])] for length in range(1, len(parts) + 1)]
        needed = [tasks[name] for one in line for name in one.get("dependencies", ())]
        return needed + [one for one in tasks.values() if one["parent_id"] == doc["_id"]]


async def _handled(replica: Bench, event: Event) -> Sequence[Event]:
    if isinstance(event, PlanProposed):
        return await adopt(replica.store, event, tell=replica.deps.tell)
    if isinstance(event, TaskVerified):
        return await on_tasks_verified([event], replica.deps)
    assert isinstance(event, TaskControl)
    return await obey(replica.store, event)
