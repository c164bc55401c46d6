"""Plans that take long: claimed once, taken over from a planner that died, handed back by one that leaves, and never paid for twice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from prometheus_client import CollectorRegistry

from services.planner.handlers import on_plans_requested, on_tasks_submitted
from services.planner.keeping import Asked, Keeper, Wanted
from services.planner.maker import MOST_WAITS, Maker
from services.planner.metrics import PlannerMetrics
from services.planner.planners.base import Means
from services.planner.planning import Deps, sweep
from services.planner.store import PlanningStore, PlanStore
from services.planner.workers import Workers
from shared.clock import ServerClock
from shared.contracts.approvals import TaskSubmitted
from shared.contracts.base import Event
from shared.contracts.plan import RunOptions
from shared.contracts.planner import PlanFailed, PlanProposed
from shared.contracts.sequencer import PlanRequested
from shared.ending import end
from shared.errors import ModelFailed
from shared.memory.broker import MemoryBroker, MemoryExchange
from shared.memory.store import MemoryDatabase
from shared.messaging.publisher import Publisher, Says
from shared.models.ledger import Ledger
from shared.models.metrics import ModelMetrics
from shared.storage.leases import Leases
from shared.telemetry.metrics import ServiceMetrics
from shared.telemetry.traces import NoTraces
from tests.unit.planner.thinking import Said, answer, said_task

SUBMITTED = TaskSubmitted(run_id="run", prompt="Do it.", options=RunOptions(planner="model"), submitted_by="ann")
PROPOSED = PlanProposed(run_id="run", task_id="run", plan_id="run@1", version=1)


class QuickClock(ServerClock):
    """Waits for nobody; what it was asked to wait is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)


class Ear(Publisher):
    """Hears what is said in the background."""

    def __init__(self, metrics: ServiceMetrics) -> None:
        super().__init__(MemoryBroker(MemoryExchange()), service="planner", metrics=metrics)
        self.heard: list[Event] = []

    async def say(self, says: Says) -> None:
        self.heard += says


@dataclass
class Planner:
    """One planner process, as far as it plans."""

    deps: Deps
    workers: Workers
    store: PlanningStore
    ear: Ear
    clock: QuickClock
    registry: CollectorRegistry

    def rescued(self) -> float | None:
        """How many plannings it took over from planners that died."""
        return self.registry.get_sample_value("taskgrove_sweep_rescued_total", {"what": "planning"})

    async def idle(self) -> None:
        """Until everything under way has ended."""
        while self.workers.running:
            await asyncio.wait(self.workers.running.values())

    async def die(self) -> None:
        """As a crash would end it: nothing is finished, handed back or said."""
        await end(self.workers.running.values())


@dataclass
class Office:
    """Planners over one store."""

    database: MemoryDatabase = field(default_factory=lambda: MemoryDatabase(ServerClock()))

    def open(self, model: Said, *, slots: int = 8, has_model: bool = True, name: str = "planner-1") -> Planner:
        clock, metrics = QuickClock(), ServiceMetrics(CollectorRegistry())
        registry = metrics.registry
        ledger = Ledger(model, self.database["planner_calls"], clock, ModelMetrics(registry), NoTraces())
        means = Means(ledger) if has_model else None
        plans, own = PlanStore(self.database, clock), PlannerMetrics(registry)
        keeper, ear = Keeper(plans, own), Ear(metrics)
        leases = Leases(self.database["plannings"], owner=name, seconds=15, clock=clock, metrics=metrics)
        store = PlanningStore(self.database, leases, clock, owner=name)
        workers = Workers(store, Maker(plans, means, own, clock, 900), keeper, publisher=ear, traces=NoTraces(), slots=slots)
        return Planner(
            Deps(plans, keeper, workers, means, self.database, own, 60, metrics, NoTraces()), workers, store, ear, clock, registry
        )

    async def expire(self) -> None:
        """All leases are over."""
        await self.database["plannings"].update({"due_at": {"$exists": True}}, {"$set": {"due_at": ServerClock().now()}})

    async def plannings(self) -> list[dict[str, Any]]:
        return await self.database["plannings"].find({}, sort=(("_id", 1),))


@pytest.fixture
def office() -> Office:
    return Office()


@asynccontextmanager
async def held_up(office: Office, **fields: Any) -> AsyncIterator[tuple[Planner, Said]]:
    """A planner whose model is thinking about the plan of the run."""
    model = Said(answer(), wait=asyncio.Event())
    planner = office.open(model, **fields)
    assert await on_tasks_submitted([SUBMITTED], planner.deps) == []
    await model.waiting.wait()
    yield planner, model
    await planner.die()


async def test_a_plan_by_a_model_is_made_behind_the_message_and_said(office: Office) -> None:
    planner = office.open(Said(answer()))
    assert await on_tasks_submitted([SUBMITTED, SUBMITTED], planner.deps) == []
    await planner.idle()
    assert planner.ear.heard == [PROPOSED]
    (header,) = await office.database["plans"].find({"part": False})
    assert (header["planner"], header["model"], header["submitted_by"], len(header["prompt_hash"])) == ("model", "scripted", "ann", 64)
    (planning,) = await office.plannings()
    assert (planning["state"], planning["asked"], planning["made"], "due_at" in planning) == ("done", None, None, False)
    assert await on_tasks_submitted([SUBMITTED], planner.deps) == [PROPOSED]


async def test_asked_again_while_it_is_made_nothing_is_begun_twice(office: Office) -> None:
    async with held_up(office) as (planner, model):
        again = PlanRequested(run_id="run", task_id="run", version=1, reason="submitted")
        await office.database["submissions"].insert([{"_id": "run", "event": SUBMITTED.wire()}])
        assert await on_tasks_submitted([SUBMITTED], planner.deps) == []
        assert await on_plans_requested([again], planner.deps) == []
        other = office.open(Said("never asked"), name="planner-2")
        assert await on_tasks_submitted([SUBMITTED], other.deps) == []
        assert await sweep(other.deps) == []
        assert (len(model.asked), other.workers.running) == (1, {})


async def test_a_planner_that_dies_is_replaced_after_its_lease(office: Office) -> None:
    async with held_up(office) as (planner, _):
        await planner.die()
    other = office.open(Said(answer(title="By another")), name="planner-2")
    assert await sweep(other.deps) == []
    assert other.workers.running == {}
    await office.expire()
    assert await sweep(other.deps) == []
    await other.idle()
    assert other.ear.heard == [PROPOSED]
    assert other.rescued() == 1


async def test_what_was_paid_for_before_the_crash_is_not_paid_again(office: Office) -> None:
    """It dies between the first answer, which needs mending, and the second."""
    first = Said(answer(said_task(agent="nobody")), ModelFailed("gone", code="model_unreachable"))
    planner = office.open(first)
    await on_tasks_submitted([SUBMITTED], planner.deps)
    while len(first.asked) < 2:
        await asyncio.sleep(0)
    await planner.die()
    await office.expire()
    second = Said(answer(title="Mended"))
    other = office.open(second, name="planner-2")
    await sweep(other.deps)
    await other.idle()
    assert other.ear.heard == [PROPOSED]
    assert [about.purpose for about in second.about] == ["plan-repair"]
    rows = await office.database["planner_calls"].find({"outcome": "answered"})
    assert sorted(row["purpose"] for row in rows) == ["plan", "plan-repair"]


async def test_a_plan_that_was_made_before_the_crash_is_the_one_that_counts(office: Office) -> None:
    made = {"plan": {"taskId": "run", "planner": "model", "title": "Kept", "tasks": []}}
    async with held_up(office) as (planner, _):
        assert await planner.store.record("run@1", made)
        assert not await planner.store.record("run@1", {"error": "another"})
    await office.expire()
    other = office.open(Said("never asked"), name="planner-2")
    await sweep(other.deps)
    await other.idle()
    assert other.ear.heard == [PROPOSED]
    (header,) = await office.database["plans"].find({"part": False})
    assert header["title"] == "Kept"


async def test_the_plan_of_a_zombie_is_not_kept(office: Office) -> None:
    """It comes back after its lease was taken over: its plan must not mix with the other's."""
    async with held_up(office) as (zombie, model):
        await office.expire()
        other = office.open(Said(answer(said_task("b"), title="By another")), name="planner-2")
        await sweep(other.deps)
        await other.idle()
        assert model.wait
        model.wait.set()
        await zombie.idle()
        assert zombie.ear.heard == []
    (header,) = await office.database["plans"].find({"part": False})
    assert header["title"] == "By another"


async def test_a_planner_that_leaves_hands_its_plans_back(office: Office) -> None:
    async with held_up(office) as (planner, _):
        await planner.workers.drain(0)
        assert await on_tasks_submitted([SUBMITTED.model_copy(update={"run_id": "late"})], planner.deps) == []
    other = office.open(Said(answer()), name="planner-2")
    await sweep(other.deps)
    await other.idle()
    assert {event.run_id for event in other.ear.heard} == {"run", "late"}
    assert other.rescued() == 0


async def test_no_more_at_once_than_there_are_slots(office: Office) -> None:
    async with held_up(office, slots=1) as (planner, model):
        await on_tasks_submitted([SUBMITTED.model_copy(update={"run_id": "next"})], planner.deps)
        await sweep(planner.deps)
        assert list(planner.workers.running) == ["run@1"]
        assert model.wait
        model.wait.set()
        await planner.idle()
        await sweep(planner.deps)
        await planner.idle()
        assert [event.run_id for event in planner.ear.heard] == ["run", "next"]


async def test_a_model_that_is_busy_is_asked_again(office: Office) -> None:
    busy = ModelFailed("busy", code="model_busy", retry_after=7.0)
    planner = office.open(Said(busy, ModelFailed("gone", code="model_unreachable"), answer()))
    await on_tasks_submitted([SUBMITTED], planner.deps)
    await planner.idle()
    assert planner.ear.heard == [PROPOSED]
    assert planner.clock.slept[0] == 7.0
    assert len(planner.clock.slept) == 2


@pytest.mark.parametrize(
    ("model", "questions", "reason"),
    [
        (Said(ModelFailed("nothing answers at http://x", code="model_unreachable")), MOST_WAITS + 1, "nothing answers at http://x"),
        (Said(ModelFailed("the key is wrong", code="model_refused", permanent=True)), 1, "the key is wrong"),
        (Said("nonsense"), 2, "made no plan that can be carried out"),
        (Said(ZeroDivisionError("1/0")), 1, "the planner broke: ZeroDivisionError"),
    ],
)
async def test_what_cannot_be_planned_says_why(office: Office, model: Said, questions: int, reason: str) -> None:
    planner = office.open(model)
    await on_tasks_submitted([SUBMITTED], planner.deps)
    await planner.idle()
    (failed,) = planner.ear.heard
    assert isinstance(failed, PlanFailed)
    assert reason in failed.error
    assert len(model.asked) == questions
    assert await on_tasks_submitted([SUBMITTED], planner.deps) == [failed]
    assert planner.registry.get_sample_value("taskgrove_plans_total", {"planner": "none", "outcome": "failed"}) == 1


async def test_a_run_that_is_planned_again_is_another_question(office: Office) -> None:
    model = Said("nonsense", "nonsense", answer())
    planner = office.open(model)
    await office.database["submissions"].insert([{"_id": "run", "event": SUBMITTED.wire()}])
    await on_tasks_submitted([SUBMITTED], planner.deps)
    await planner.idle()
    await on_plans_requested([PlanRequested(run_id="run", task_id="run", version=2, reason="submitted")], planner.deps)
    await planner.idle()
    assert planner.ear.heard[1] == PlanProposed(run_id="run", task_id="run", plan_id="run@2", version=2)
    assert "An earlier plan was refused" in model.told()


async def test_without_a_model_the_planner_model_says_what_to_set(office: Office) -> None:
    planner = office.open(Said(answer()), has_model=False)
    await on_tasks_submitted([SUBMITTED], planner.deps)
    await planner.idle()
    (failed,) = planner.ear.heard
    assert isinstance(failed, PlanFailed)
    assert "TASKGROVE_MODEL_BASE_URL" in failed.error


async def too_big(office: Office, **fields: Any) -> None:
    """A task whose attempt found it too big, and proposed nothing."""
    root = {"_id": "run", "run_id": "run", "key": "root", "title": "Root", "kind": "group", "phase": "expanded"}
    task = {"_id": "run.1", "run_id": "run", "parent_id": "run", "key": "a", "title": "Handbook", "kind": "work", "phase": "expanding"}
    await office.database["tasks"].insert([root, {**task, **fields}])
    attempt = {"_id": "run.1:1", "task_id": "run.1", "epoch": 1, "state": "too_big", "reason": "it has 40 chapters", "proposal": []}
    await office.database["attempts"].insert([attempt])


async def test_a_task_that_is_too_big_is_broken_down_by_the_model(office: Office) -> None:
    await too_big(office)
    model = Said(answer(said_task("one"), said_task("two")))
    planner = office.open(model)
    assert await on_plans_requested([PlanRequested(run_id="run", task_id="run.1", version=1, reason="expand")], planner.deps) == []
    await planner.idle()
    assert planner.ear.heard == [PlanProposed(run_id="run", task_id="run.1", plan_id="run.1@1", version=1)]
    assert "it has 40 chapters" in model.told()
    assert model.about[0].task_id == "run.1"
    (header,) = await office.database["plans"].find({"part": False})
    assert (header["reason"], header["count"]) == ("expand", 2)


async def test_a_task_that_failed_gets_a_new_plan_with_the_failures_named(office: Office) -> None:
    await too_big(office, phase="replanning", plan_version=1)
    model = Said(answer(said_task("one"), said_task("two")))
    planner = office.open(model)
    event = PlanRequested(run_id="run", task_id="run.1", version=2, reason="replan", failures=("the tests do not pass",))
    await on_plans_requested([event], planner.deps)
    await planner.idle()
    assert isinstance(planner.ear.heard[0], PlanProposed)
    assert "the tests do not pass" in model.told()


async def test_a_task_that_was_cancelled_meanwhile_costs_nothing_and_can_ask_again(office: Office) -> None:
    await too_big(office, phase="cancelled")
    model = Said(answer(said_task("one"), said_task("two")))
    planner = office.open(model)
    event = PlanRequested(run_id="run", task_id="run.1", version=1, reason="expand")
    await on_plans_requested([event], planner.deps)
    await planner.idle()
    assert (model.asked, planner.ear.heard, await office.plannings()) == ([], [], [])
    await office.database["tasks"].update({"_id": "run.1"}, {"$set": {"phase": "expanding"}})
    await on_plans_requested([event], planner.deps)
    await planner.idle()
    assert len(planner.ear.heard) == 1


async def test_a_plan_that_nobody_waits_for_any_more_is_not_made_to_its_end(office: Office) -> None:
    async with held_up(office) as (planner, _):
        watching = asyncio.create_task(planner.workers.watch.run())
        await asyncio.sleep(0.3)
        assert planner.workers.running, "the run is not there yet: it is waited for"
        await office.database["tasks"].insert([{"_id": SUBMITTED.run_id, "phase": "cancelled", "plan_version": 0}])
        async with asyncio.timeout(10):
            await planner.idle()
        assert await office.plannings() == [], "whoever asks again gets one"
        await end([watching])


class SlowPlans(MemoryDatabase):
    """A store that takes its time to keep plans."""

    def __init__(self) -> None:
        super().__init__(ServerClock())
        self.keeping, self.may_go = asyncio.Event(), asyncio.Event()

    def __getitem__(self, name: str) -> Any:
        plans = super().__getitem__(name)
        return SlowInserts(plans, self) if name == "plans" else plans


@dataclass
class SlowInserts:
    """The collection `plans` of a slow store."""

    plans: Any
    store: SlowPlans

    async def find(self, *args: Any, **more: Any) -> Any:
        return await self.plans.find(*args, **more)

    async def insert(self, docs: Any) -> Any:
        self.store.keeping.set()
        await self.store.may_go.wait()
        return await self.plans.insert(docs)


async def test_a_plan_that_is_being_kept_is_kept_whole() -> None:
    """Parts of one that was given up half-way would stand below the header of the next one of this version."""
    office = Office(store := SlowPlans())
    planner = office.open(Said(answer()))
    await on_tasks_submitted([SUBMITTED], planner.deps)
    await store.keeping.wait()
    watching = asyncio.create_task(planner.workers.watch.run())
    await office.database["tasks"].insert([{"_id": SUBMITTED.run_id, "phase": "cancelled", "plan_version": 0}])
    for _ in range(200):
        await asyncio.sleep(0)
    store.may_go.set()
    async with asyncio.timeout(10):
        await planner.idle()
    assert planner.ear.heard == [PROPOSED]
    await end([watching])


def test_what_a_planner_of_another_version_asked_for_is_understood() -> None:
    submission = TaskSubmitted.model_validate({"runId": "run", "prompt": "do", "newer": 1})
    asked = Asked(Wanted("run", "run", 1, "submitted", ("why",)), submission)
    document = asked.document()
    assert Asked.read(document) == asked
    noted = orjson.loads(document["asked"])
    noted["wanted"] |= {"urgency": "high"}
    assert Asked.read({**document, "asked": orjson.dumps(noted)}) == asked
    del noted["wanted"]["failures"]
    assert Asked.read({**document, "asked": orjson.dumps(noted)}).wanted == Wanted("run", "run", 1, "submitted")
