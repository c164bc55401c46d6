"""How many tasks are under way at once: of a run, over all executors; with an agent; and who goes first where not all may."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from services.executor import intake
from services.executor.handlers import on_tasks_ready
from services.executor.settings import ExecutorSettings
from services.executor.wiring import wire
from shared.clock import ServerClock
from shared.contracts.sequencer import TaskReady
from shared.errors import BadInput, StoreUnavailable
from shared.memory.broker import MemoryBroker, MemoryExchange
from shared.memory.store import MemoryDatabase
from shared.messaging.topology import queues
from shared.service import Running, assemble, lay_ground
from shared.settings import CommonSettings
from shared.storage.port import Collection, Doc, Update, Where

Start = Callable[[], Awaitable[Running]]


class Attempts:
    """The attempts as the store gives them; it may be gone when it is asked how many of a run are under way."""

    def __init__(self, inner: Collection) -> None:
        self._inner = inner
        self.asked = 0
        self.away: set[int] = set()
        self.most: dict[str, int] = {}
        self.late = 0.0

    async def bulk(self, updates: Sequence[Update], *, relaxed: bool = False) -> int:
        await asyncio.sleep(self.late)
        return await self._inner.bulk(updates, relaxed=relaxed)

    async def count_by(self, where: Where, field: str) -> dict[Any, int]:
        self.asked += 1
        await asyncio.sleep(0)  # others may claim between a look and what follows from it
        if self.asked in self.away:
            raise StoreUnavailable("no primary")
        return await self._inner.count_by(where, field)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class Store(MemoryDatabase):
    """A database with such attempts."""

    def __init__(self, clock: ServerClock) -> None:
        super().__init__(clock)
        self.attempts = Attempts(super().__getitem__("attempts"))

    def __getitem__(self, name: str) -> Any:
        return self.attempts if name == "attempts" else super().__getitem__(name)


@pytest.fixture
def store() -> Store:
    return Store(ServerClock())


@pytest.fixture
async def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Store) -> AsyncIterator[Start]:
    """Starts one more executor on the same store."""
    monkeypatch.setenv("TASKGROVE_EXECUTOR_SANDBOX", "process")
    monkeypatch.setenv("TASKGROVE_EXECUTOR_CALLABLES", "tests.unit.executor.answering")
    exchange, started = MemoryExchange(), list[Running]()

    async def one() -> Running:
        clock = ServerClock()
        settings = CommonSettings(artifacts_url=f"memory://{tmp_path}", work_dir=tmp_path, sweep_seconds=60)
        ground = lay_ground("executor", settings, broker=MemoryBroker(exchange), database=store, clock=clock)
        running = await assemble(ground, wire)
        await asyncio.create_task(running.start(http=False))
        await ground.broker.start(queues())
        started.append(running)
        return running

    yield one
    for running in started:
        await running.stop(seconds=0)


async def put(store: Store, run: str, count: int, *, cap: int | None = None, seconds: float = 60.0, **fields: Any) -> TaskReady:
    """A run with so many tasks that sleep, and the hint at them."""
    names = [f"{run}.{number}" for number in range(1, count + 1)]
    common = {"run_id": run, "title": "T", "phase": "ready", "epoch": 1, "agent": "python"}
    inputs = {"call": "sleep", "args": {"seconds": seconds}}
    await store["tasks"].insert([{"_id": run, **common, "phase": "expanded", "options": {"concurrency": cap}}])
    await store["tasks"].insert([{"_id": name, **common, "inputs": inputs, **fields} for name in names])
    return TaskReady(run_id=run, attempts=tuple(f"{name}:1" for name in names))


async def states(store: Store) -> list[Doc]:
    return await store["attempts"].find({}, ("state", "run_id", "agent"), sort=(("_id", 1),))


async def until(condition: Callable[[], Awaitable[bool]], *, seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.005)


def under_way(executors: list[Running], run: str) -> int:
    """How many of the run's attempts are worked on, until their end is written: by the executors' own word, not by the store's."""
    return sum(name.startswith(f"{run}.") for one in executors for name in one.service.deps.attempts.leases.held)


async def watch(executors: list[Running], run: str, done: Callable[[], Awaitable[bool]]) -> int:
    """The most that were under way at once until `done`."""
    most = 0
    async with asyncio.timeout(30):
        while not await done():
            most = max(most, under_way(executors, run))
            await asyncio.sleep(0.001)
    return most


class TestOfARun:
    async def test_no_more_than_its_cap_and_the_rest_later(self, start: Start, store: Store) -> None:
        executor = await start()
        capped, free = await put(store, "capped", 12, cap=3, seconds=0.02), await put(store, "free", 12, seconds=0.02)
        await on_tasks_ready([capped, free], executor.service.deps)
        assert (under_way([executor], "capped"), under_way([executor], "free")) == (3, 12)

        async def all_done() -> bool:
            return [doc["state"] for doc in await states(store)].count("executed") == 24

        assert await watch([executor], "capped", all_done) == 3

    async def test_a_claim_that_was_doubted_and_is_wanted_no_more_leaves_no_room(self, start: Start, store: Store) -> None:
        """Its task went on under another epoch: it was taken off what others had begun, for ever."""
        one, other = await start(), await start()
        await on_tasks_ready([await put(store, "capped", 3, cap=2)], other.service.deps)
        attempts = one.service.deps.attempts
        attempts.leases.doubt(["capped.1:0"])
        assert await attempts.rooms({"capped"}, here=lambda _: 0) == {"capped": 0}

    async def test_the_next_goes_when_the_end_is_written_however_late(
        self, start: Start, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(intake, "LOOK_SECONDS", 3_600.0)
        executor = await start()
        store.attempts.late = 0.02
        await on_tasks_ready([await put(store, "run", 4, cap=1, seconds=0)], executor.service.deps)
        await until(lambda: _executed(store, 4))

    async def test_over_all_executors_that_claim_at_once(self, start: Start, store: Store) -> None:
        executors = [await start() for _ in range(3)]
        hint = await put(store, "run", 30, cap=4, seconds=0.02)
        parts = [TaskReady(run_id="run", attempts=hint.attempts[number::3]) for number in range(3)]

        async def over() -> bool:
            return {doc["state"] for doc in await states(store)} <= {"executed", "released"} and len(await states(store)) == 30

        watching = asyncio.create_task(watch(executors, "run", over))
        await asyncio.gather(*(on_tasks_ready([part], one.service.deps) for part, one in zip(parts, executors, strict=True)))
        assert await watching <= 4, "those that were too many were handed back before they began"

    async def test_what_another_executor_has_counts_and_that_it_is_over_is_seen(self, start: Start, store: Store) -> None:
        first, second = await start(), await start()
        hint = await put(store, "run", 2, cap=1, seconds=0.3)
        await on_tasks_ready([TaskReady(run_id="run", attempts=hint.attempts[:1])], first.service.deps)
        await on_tasks_ready([TaskReady(run_id="run", attempts=hint.attempts[1:])], second.service.deps)
        assert [doc["_id"] for doc in await states(store)] == ["run.1:1"]
        await until(lambda: _executed(store, 2))

    async def test_a_store_that_goes_away_meanwhile_costs_time_and_no_try(self, start: Start, store: Store) -> None:
        executor = await start()
        hint = await put(store, "run", 3, cap=2, seconds=0.01)
        store.attempts.away = {2, 3}
        with pytest.raises(StoreUnavailable):
            await on_tasks_ready([hint], executor.service.deps)
        assert [doc["state"] for doc in await states(store)] == ["running"] * 2, "claimed, and not begun"
        assert under_way([executor], "run") == 0
        await until(lambda: _executed(store, 3))


async def _executed(store: Store, count: int) -> bool:
    return [doc["state"] for doc in await states(store)] == ["executed"] * count


class TestWithAnAgent:
    async def test_no_more_than_its_slots_in_this_process(self, start: Start, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TASKGROVE_EXECUTOR_AGENT_SLOTS", "python=2, human = 1")
        executor = await start()
        await on_tasks_ready([await put(store, "run", 5, seconds=0.05)], executor.service.deps)
        assert under_way([executor], "run") == 2
        await until(lambda: _executed(store, 5))

    @pytest.mark.parametrize(
        ("given", "says"),
        [
            ("shell", "'shell' is not understood; write agents and how many of each"),
            ("shell=", "is not understood"),
            ("shell=0", "is not understood"),
            ("shell=-1", "is not understood"),
            ("shell=1.5", "is not understood"),
            ("shell=4;model=2", "is not understood"),
            ("=4", "there is no agent ''"),
            ("shel=4", "there is no agent 'shel' here; there are: shell, python"),
            ("shell=4,shell=5", "'shell' is said twice"),
        ],
    )
    async def test_what_cannot_be_meant_is_refused_at_the_start(
        self, start: Start, monkeypatch: pytest.MonkeyPatch, given: str, says: str
    ) -> None:
        monkeypatch.setenv("TASKGROVE_EXECUTOR_AGENT_SLOTS", given)
        with pytest.raises(BadInput, match=r"TASKGROVE_EXECUTOR_AGENT_SLOTS=") as caught:
            await start()
        assert says in str(caught.value)

    def test_nothing_is_said_of_any_by_default(self) -> None:
        assert ExecutorSettings().slots_of(["shell"]) == {}


class TestWhoGoesFirst:
    async def test_the_more_urgent_then_runs_in_turn(self, start: Start, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TASKGROVE_EXECUTOR_WAITING_SLOTS", "1")
        executor = await start()
        hints = [await put(store, "a", 3, seconds=0.01), await put(store, "b", 2, seconds=0.01)]
        hints.append(await put(store, "c", 2, seconds=0.01, priority=9))
        await on_tasks_ready(hints, executor.service.deps)
        await until(lambda: _executed(store, 7))
        docs = await store["attempts"].find({}, ("claimed_at",), sort=(("claimed_at", 1),))
        assert [doc["_id"][0] for doc in docs] == list("ccababa")

    async def test_what_is_hinted_at_again_waits_once(self, start: Start, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TASKGROVE_EXECUTOR_WAITING_SLOTS", "1")
        executor = await start()
        hint = await put(store, "a", 3)
        for _ in range(5):
            await on_tasks_ready([hint], executor.service.deps)
        assert len(executor.service.deps.workers.intake.backlogs["waiting"]) == 2

    async def test_what_waits_is_handed_back_as_soon_as_the_executor_is_told_to_end(
        self, start: Start, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TASKGROVE_EXECUTOR_WAITING_SLOTS", "1")
        executor = await start()
        await on_tasks_ready([await put(store, "a", 4)], executor.service.deps)
        executor.service.stop_claiming()

        async def handed_back() -> bool:
            return sorted(doc["state"] for doc in await states(store)) == ["released"] * 3 + ["running"]

        await until(handed_back, seconds=2)

    async def test_what_has_moved_on_while_it_waited_keeps_its_place_from_nobody(
        self, start: Start, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TASKGROVE_EXECUTOR_WAITING_SLOTS", "1")
        executor = await start()
        await on_tasks_ready([await put(store, "a", 3, cap=1, seconds=0.05)], executor.service.deps)
        await store["tasks"].update({"_id": "a.2"}, {"$set": {"phase": "cancelled"}})
        await until(lambda: _executed(store, 2))
