"""Claiming, watching and handing back, by an executor alone over the in-memory twins."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest

from services.executor.handlers import on_tasks_ready, sweep
from services.executor.wiring import wire
from shared.clock import ServerClock
from shared.contracts.executor import TaskExecuted
from shared.contracts.sequencer import TaskReady
from shared.errors import StoreUnavailable
from shared.memory.broker import MemoryBroker, MemoryExchange
from shared.memory.store import MemoryDatabase
from shared.messaging.topology import queues
from shared.service import Running, assemble, lay_ground
from shared.settings import CommonSettings
from shared.storage.measured import MeasuredDatabase
from shared.storage.port import Collection, Doc, Update, Where


class Slow:
    """The tasks as the store gives them, late: whoever watches over what runs is held up, and nobody else."""

    def __init__(self, inner: Collection) -> None:
        self._inner = inner
        self.asked = asyncio.Event()
        self.answer = asyncio.Event()
        self.pages: list[int] = []

    async def find(self, where: Where, fields: Sequence[str] = (), **how: Any) -> list[Doc]:
        found = await self._inner.find(where, fields, **how)
        if "agent" in fields:
            self.pages.append(len(where["_id"]["$in"]))
        if tuple(fields) == ("phase", "epoch", "paused"):
            self.asked.set()
            await self.answer.wait()
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class Store(MemoryDatabase):
    """A database with slow tasks."""

    def __init__(self, clock: ServerClock) -> None:
        super().__init__(clock)
        self.tasks = Slow(super().__getitem__("tasks"))

    def __getitem__(self, name: str) -> Any:
        return self.tasks if name == "tasks" else super().__getitem__(name)


class Quick(ServerClock):
    """It wakes a sleeper early."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds / 10)


@pytest.fixture
async def executor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    monkeypatch.setenv("TASKGROVE_EXECUTOR_SANDBOX", "process")
    monkeypatch.setenv("TASKGROVE_EXECUTOR_WAITING_SLOTS", "2")
    monkeypatch.setenv("TASKGROVE_EXECUTOR_CALLABLES", "tests.unit.executor.answering")
    clock = Quick()
    settings = CommonSettings(artifacts_url=f"memory://{tmp_path}", work_dir=tmp_path, sweep_seconds=60)
    ground = lay_ground("executor", settings, broker=MemoryBroker(MemoryExchange()), database=Store(clock), clock=clock)
    running = await assemble(ground, wire)
    await asyncio.create_task(running.start(http=False))
    await ground.broker.start(queues())
    yield running
    slow(running).answer.set()
    await running.stop(seconds=0)


def slow(executor: Running) -> Slow:
    """The tasks, without the measuring around them."""
    database = executor.ground.database
    assert isinstance(database, MeasuredDatabase)
    assert isinstance(database.inner, Store)
    return database.inner.tasks


async def put(executor: Running, *names: str, seconds: float = 60, **fields: Any) -> TaskReady:
    """Tasks that sleep, and the hint at them."""
    common = {
        "run_id": "run",
        "title": "T",
        "phase": "ready",
        "epoch": 1,
        "agent": "python",
        "inputs": {"call": "sleep", "args": {"seconds": seconds}},
    }
    await executor.ground.database["tasks"].insert([{"_id": name, **common, **fields} for name in names])
    return TaskReady(run_id="run", attempts=tuple(f"{name}:1" for name in names))


async def states(executor: Running) -> dict[str, str]:
    docs = await executor.ground.database["attempts"].find({}, ("state",), sort=(("_id", 1),))
    return {doc["_id"]: doc["state"] for doc in docs}


def value(executor: Running, name: str, **labels: str) -> float:
    found = executor.ground.metrics.registry.get_sample_value(name, labels)
    assert found is not None, f"there is no {name} with {labels}"
    return found


async def until(executor: Running, expected: dict[str, str]) -> None:
    async with asyncio.timeout(5):
        while await states(executor) != expected:
            await asyncio.sleep(0.01)


async def test_what_starts_while_the_store_is_asked_is_not_taken_for_unwanted(executor: Running) -> None:
    deps, tasks = executor.service.deps, slow(executor)
    await on_tasks_ready([await put(executor, "run.1")], deps)
    await asyncio.wait_for(tasks.asked.wait(), 5)
    await on_tasks_ready([await put(executor, "run.2")], deps)
    tasks.answer.set()
    await asyncio.sleep(0.2)
    assert await states(executor) == {"run.1:1": "running", "run.2:1": "running"}
    await tasks.update({"_id": "run.1"}, {"$set": {"phase": "cancelled"}})
    await until(executor, {"run.1:1": "cancelled", "run.2:1": "running"})


async def test_an_attempt_is_made_once_and_its_end_is_said_again(executor: Running) -> None:
    deps = executor.service.deps
    ready = await put(executor, "run.1", seconds=0)
    await asyncio.gather(*(on_tasks_ready([ready, ready], deps) for _ in range(5)))
    await until(executor, {"run.1:1": "executed"})
    async with asyncio.timeout(5):
        while deps.workers.running:
            await asyncio.sleep(0.01)
    assert await on_tasks_ready([ready], deps) == [TaskExecuted(run_id="run", attempts=("run.1:1",))]


async def test_more_than_fits_waits_for_a_free_slot(executor: Running) -> None:
    names = [f"run.{number}" for number in range(1, 8)]
    ready_at = executor.ground.clock.now() - timedelta(seconds=2)
    await on_tasks_ready([await put(executor, *names, seconds=0.02, ready_at=ready_at)], executor.service.deps)
    assert len(await states(executor)) == 2
    assert value(executor, "taskgrove_attempts_running", lane="waiting") == 2
    assert value(executor, "taskgrove_attempts_waiting", lane="waiting") == 5
    assert value(executor, "taskgrove_attempts_oldest_seconds", lane="waiting") > 0
    await until(executor, {f"{name}:1": "executed" for name in names})
    assert value(executor, "taskgrove_attempts_waiting", lane="waiting") == 0
    assert value(executor, "taskgrove_dispatch_seconds_count", lane="waiting") == 7
    assert value(executor, "taskgrove_dispatch_seconds_sum", lane="waiting") >= 14
    assert value(executor, "taskgrove_attempts_total", agent="python", outcome="executed") == 7


async def test_pages_are_smaller_where_runs_share_it(executor: Running) -> None:
    deps, pages = executor.service.deps, slow(executor).pages
    await on_tasks_ready([await put(executor, *(f"run.{number}" for number in range(600)))], deps)
    assert pages == [500, 100]
    await on_tasks_ready([await put(executor, *(f"other.{number}" for number in range(120)), run_id="other")], deps)
    assert pages[2:] == [50, 50, 20]
    await on_tasks_ready([await put(executor, *(f"third.{number}" for number in range(250)), run_id="third")], deps)
    assert pages[5:] == [100, 100, 50]


async def test_a_slot_is_free_while_the_end_is_written(executor: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    leases, written = executor.service.deps.attempts.leases, asyncio.Event()
    finish = leases.finish

    async def late(claim: str, fields: dict[str, Any], **how: Any) -> None:
        await written.wait()
        await finish(claim, fields, **how)

    monkeypatch.setattr(leases, "finish", late)
    names = [f"run.{number}" for number in range(1, 6)]
    await on_tasks_ready([await put(executor, *names, seconds=0)], executor.service.deps)
    await until(executor, {f"{name}:1": "running" for name in names})
    written.set()
    await until(executor, {f"{name}:1": "executed" for name in names})


async def test_where_more_of_a_run_waits_for_processors_ends_are_written_together(
    executor: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    deps, writes = executor.service.deps, list[int]()
    collection = deps.attempts.leases._collection  # noqa: SLF001 (what is written shows nowhere else how often)
    bulk = type(collection).bulk

    async def counted(self: Any, updates: Sequence[Update], **how: Any) -> int:
        writes.append(len(updates))
        return await bulk(self, updates, **how)

    monkeypatch.setattr(type(collection), "bulk", counted)
    deps.workers.intake._slots.lanes["waiting"] = 50  # noqa: SLF001
    names = [f"run.{number}" for number in range(30)]
    await on_tasks_ready([await put(executor, *names, inputs={"call": "reckon"}), await put(executor, "other.1", run_id="other")], deps)
    await until(executor, {"other.1:1": "running", **{f"{name}:1": "executed" for name in names}})
    assert sum(writes) == 30
    assert len(writes) <= 12, "each by itself would be thirty"


async def test_what_is_done_is_written_although_it_is_stopped_between_two_tries(executor: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    leases, tried = executor.service.deps.attempts.leases, asyncio.Event()
    finish = leases.finish

    async def away_once(claim: str, fields: dict[str, Any], **how: Any) -> None:
        if not tried.is_set():
            tried.set()
            raise StoreUnavailable("no primary")
        await finish(claim, fields, **how)

    monkeypatch.setattr(leases, "finish", away_once)
    await on_tasks_ready([await put(executor, "run.1", seconds=0)], executor.service.deps)
    await tried.wait()
    await executor.service.deps.workers.drain(0)
    assert await states(executor) == {"run.1:1": "executed"}


async def test_an_agent_that_there_is_not_is_no_label_of_its_own(executor: Running) -> None:
    await on_tasks_ready([await put(executor, "run.1", agent="a name from the notes")], executor.service.deps)
    await until(executor, {"run.1:1": "failed"})
    assert value(executor, "taskgrove_attempts_total", agent="unknown", outcome="failed") == 1
    assert "a name from the notes" not in generate_latest(executor.ground.metrics.registry).decode()


async def test_neither_paused_nor_finished_work_is_claimed(executor: Running) -> None:
    await on_tasks_ready(
        [await put(executor, "run.1", paused=True), await put(executor, "run.2", phase="completed")], executor.service.deps
    )
    assert await states(executor) == {}


async def test_what_runs_is_handed_back_when_it_drains(executor: Running) -> None:
    await on_tasks_ready([await put(executor, "run.1")], executor.service.deps)
    await executor.service.deps.workers.drain(0)
    assert await states(executor) == {"run.1:1": "released"}


async def test_what_an_executor_that_leaves_has_not_begun_is_handed_back_at_once(executor: Running) -> None:
    """Neither what waits for a slot nor what it hears now may wait until its hint is said again."""
    hints = [await put(executor, f"run.{number}") for number in range(1, 4)]
    await on_tasks_ready(hints, executor.service.deps)
    assert len(await states(executor)) == 2
    executor.service.deps.workers.stop_claiming()
    assert await on_tasks_ready([await put(executor, "run.4")], executor.service.deps) == [
        TaskExecuted(run_id="run", attempts=("run.4:1",))
    ]
    assert await on_tasks_ready([hints[0]], executor.service.deps) == [], "it runs here"
    await executor.service.deps.workers.drain(0)
    assert await states(executor) == {f"run.{number}:1": "released" for number in range(1, 5)}


async def test_nothing_stays_where_attempts_worked(executor: Running) -> None:
    script = "mkdir locked; touch locked/file; chmod 555 locked"
    await on_tasks_ready([await put(executor, "run.1", agent="shell", inputs={"script": script})], executor.service.deps)
    await until(executor, {"run.1:1": "executed"})
    work = executor.ground.settings.work_dir
    async with asyncio.timeout(5):
        while executor.service.deps.workers.running or [*work.glob("executor-*/*")]:
            await asyncio.sleep(0.01)
    assert len([*work.iterdir()]) == 2, "its own directory and the lock"
    assert executor.service.close
    executor.service.close()
    assert [*work.iterdir()] == []


async def test_a_lease_that_ran_out_is_lost_and_said(executor: Running) -> None:
    now = executor.ground.clock.now()
    lease = {"run_id": "run", "task_id": "run.9", "epoch": 1, "state": "running", "owner": "who died", "due_at": now}
    await executor.ground.database["attempts"].insert([{"_id": "run.9:1", **lease}])
    assert await sweep(executor.service.deps) == [TaskExecuted(run_id="run", attempts=("run.9:1",))]
    assert await states(executor) == {"run.9:1": "lost"}


async def test_an_answer_that_no_store_takes_is_a_failure_and_harms_no_neighbour(executor: Running) -> None:
    deep = await put(executor, "run.1", inputs={"call": "nests", "args": {"levels": 200}})
    plain = await put(executor, "run.2", inputs={"call": "nests", "args": {"levels": 3}})
    await on_tasks_ready([deep, plain], executor.service.deps)
    await until(executor, {"run.1:1": "failed", "run.2:1": "too_big"})
    (attempt,) = await executor.ground.database["attempts"].find({"_id": "run.1:1"})
    assert (attempt["error"]["code"], attempt["error"]["permanent"]) == ("not_kept", True)
    assert "deeper than" in attempt["error"]["message"]
