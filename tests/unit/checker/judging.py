"""Attempts to judge, and what a checker makes of them."""

import asyncio
from typing import Any

from shared.contracts.executor import TaskExecuted
from shared.service import Running
from shared.storage.port import Doc


async def put(checker: Running, name: str, *checks: dict[str, Any], by_model: bool = False, **attempt: Any) -> TaskExecuted:
    """A task and its attempt that claims to have done it, and the hint at it."""
    task = {
        "_id": name,
        "run_id": "run",
        "title": name,
        "checks": list(checks),
        "children": attempt.pop("children", None),
        "by_model": by_model,
        "phase": "ready",
        "epoch": 1,
    }
    done = {"run_id": "run", "task_id": name, "epoch": 1, "state": "executed", "result": {"summary": "did it"}, **attempt}
    await checker.ground.database["tasks"].insert([task])
    await checker.ground.database["attempts"].insert([{"_id": f"{name}:1", **done}])
    return TaskExecuted(run_id="run", attempts=(f"{name}:1",))


async def verdicts(checker: Running) -> dict[str, Doc]:
    return {doc["_id"]: doc for doc in await checker.ground.database["verdicts"].find({})}


async def verdict(checker: Running, name: str) -> Doc:
    async with asyncio.timeout(5):
        while (found := (await verdicts(checker)).get(name)) is None or found["state"] != "done":
            await asyncio.sleep(0.01)
    return found
