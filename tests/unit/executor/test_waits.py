"""What is told about how long tasks waited: a hint that was lost is a rescue, what somebody asked for by a cap is nobody's alarm."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from services.executor.handlers import on_tasks_ready
from shared.contracts.sequencer import HINT_SECONDS
from shared.service import Running
from tests.unit.executor.test_caps import Start, Store, put, start, store, under_way, until

__all__ = ["start", "store"]

LATE = timedelta(seconds=HINT_SECONDS + 1)


def value(executor: Running, name: str, **labels: str) -> float:
    found = executor.ground.metrics.registry.get_sample_value(name, labels)
    assert found is not None, f"there is no {name} with {labels}"
    return found


def rescued(executor: Running) -> float:
    return value(executor, "taskgrove_sweep_rescued_total", what="ready")


def executed(store: Store, count: int) -> Callable[[], Awaitable[bool]]:
    """Whether so many have come to their end."""

    async def all_over() -> bool:
        return len(await store["attempts"].find({"state": "executed"}, ("state",))) == count

    return all_over


class TestRescues:
    async def test_a_task_whose_first_hint_was_dropped_is_one(self, start: Start, store: Store) -> None:
        executor = await start()
        hint = await put(store, "run", 1, ready_at=executor.ground.clock.now() - LATE)
        for _ in range(3):
            await on_tasks_ready([hint], executor.service.deps)
        assert rescued(executor) == 1, "once: after that it is worked on"

    async def test_a_task_that_takes_long_is_none_however_often_it_is_hinted_at(self, start: Start, store: Store) -> None:
        executor, other = await start(), await start()
        hint = await put(store, "run", 1, ready_at=executor.ground.clock.now())
        await on_tasks_ready([hint], executor.service.deps)
        await store["tasks"].update({"run_id": "run"}, {"$set": {"ready_at": executor.ground.clock.now() - LATE}})
        for one in (executor, other):
            await on_tasks_ready([hint], one.service.deps)
        assert (rescued(executor), rescued(other)) == (0, 0)

    async def test_a_task_that_waited_here_for_a_slot_is_none(self, start: Start, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TASKGROVE_EXECUTOR_WAITING_SLOTS", "1")
        executor = await start()
        hint = await put(store, "run", 3, seconds=0.02, ready_at=executor.ground.clock.now() - timedelta(seconds=1))
        await on_tasks_ready([hint], executor.service.deps)
        await store["tasks"].update({"run_id": "run"}, {"$set": {"ready_at": executor.ground.clock.now() - LATE}})
        await on_tasks_ready([hint], executor.service.deps)
        await until(executed(store, 3))
        assert value(executor, "taskgrove_dispatch_seconds_count", lane="waiting") == 3
        assert rescued(executor) == 0


class TestCaps:
    async def test_a_run_that_bounds_itself_is_not_late(self, start: Start, store: Store) -> None:
        executor = await start()
        hint = await put(store, "run", 4, cap=1, seconds=0.02, ready_at=executor.ground.clock.now() - LATE)
        await on_tasks_ready([hint], executor.service.deps)
        assert value(executor, "taskgrove_attempts_waiting", lane="waiting") == 3
        assert value(executor, "taskgrove_attempts_oldest_seconds", lane="waiting") == 0
        await until(executed(store, 4))
        assert value(executor, "taskgrove_dispatch_seconds_count", lane="waiting") == 0
        assert rescued(executor) == 0

    async def test_nor_is_what_waits_for_an_agent_with_slots_of_its_own(
        self, start: Start, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TASKGROVE_EXECUTOR_AGENT_SLOTS", "python=1")
        executor = await start()
        await on_tasks_ready([await put(store, "run", 2, ready_at=executor.ground.clock.now() - LATE)], executor.service.deps)
        assert under_way([executor], "run") == 1
        assert value(executor, "taskgrove_attempts_oldest_seconds", lane="waiting") == 0
        assert value(executor, "taskgrove_dispatch_seconds_count", lane="waiting") == 0

    async def test_what_no_cap_holds_back_is(self, start: Start, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TASKGROVE_EXECUTOR_WAITING_SLOTS", "1")
        executor = await start()
        capped = await put(store, "capped", 2, cap=1)
        free = await put(store, "free", 1, ready_at=executor.ground.clock.now())
        await on_tasks_ready([capped, free], executor.service.deps)
        assert value(executor, "taskgrove_attempts_oldest_seconds", lane="waiting") > 0
