"""A script may use as much memory as the executor is told, in each of its processes."""

import pytest

from services.executor.handlers import on_tasks_ready
from tests.unit.executor.test_caps import Start, Store, put, start, store, until

__all__ = ["start", "store"]


async def test_of_a_script(start: Start, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKGROVE_EXECUTOR_COMMAND_MEMORY_BYTES", str(300 * 2**20))
    executor = await start()
    hint = await put(store, "run", 1, agent="shell", inputs={"script": "ulimit -d"})
    await on_tasks_ready([hint], executor.service.deps)

    async def over() -> bool:
        return (await store["attempts"].find({}))[0]["state"] != "running"

    await until(over)
    [attempt] = await store["attempts"].find({})
    assert attempt["result"]["summary"] == str(300 * 2**10), "in KiB"
