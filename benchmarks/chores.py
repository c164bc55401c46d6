"""What the tasks of benchmarks do beyond what every executor offers: functions for the agent python (TASKGROVE_EXECUTOR_CALLABLES)."""

import asyncio

from services.executor.agents import TooBig, callable_
from shared.contracts.plan import TaskSpec

CHECK = {"kind": "schema", "schema": {"type": "object", "minProperties": 1}}
NOTHING = {"call": "echo", "args": {"ok": True}}
NAP_SECONDS = 0.5
BLINK_SECONDS = 0.05


@callable_()
async def spread(count: int) -> TooBig:
    """Too much for one go: it is broken down into `count` tasks that do nothing and are checked. No plan has room for all of them."""
    tasks = (TaskSpec(key=f"t{number}", title=f"t{number}", agent="python", inputs=NOTHING, checks=(CHECK,)) for number in range(count))
    return TooBig(f"this is a lot: {count} tasks", tuple(tasks))


@callable_()
async def nap() -> dict[str, float]:
    """Wait half a second. Without arguments: a plan of 50 000 such tasks is within what one submission may hold."""
    await asyncio.sleep(NAP_SECONDS)
    return {"slept": NAP_SECONDS}


@callable_()
async def blink() -> dict[str, float]:
    """Wait a twentieth of a second."""
    await asyncio.sleep(BLINK_SECONDS)
    return {"slept": BLINK_SECONDS}
