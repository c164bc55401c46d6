"""What the tasks of the fault runs call: an effect on the ledger, and then some time in which the executor can be killed."""

import asyncio

from services.executor.agents import TooBig, Work, callable_
from shared.contracts.plan import TaskSpec
from tests.faults.ledger import note


@callable_()
async def effect(work: Work, path: str, seconds: float = 0.0) -> dict[str, str]:
    """Have the effect, then take this long."""
    note(path, work.attempt_id)
    await asyncio.sleep(seconds)
    return {"attempt": work.attempt_id}


@callable_()
async def second_try(work: Work, path: str) -> dict[str, str]:
    """Fails the first time, after its effect."""
    note(path, work.attempt_id)
    if work.epoch == 1:
        raise ValueError("not the first time")
    return {"attempt": work.attempt_id}


@callable_()
async def breaks_down(path: str) -> TooBig:
    """Too much for one go, every time: two smaller tasks have the effect in its place."""
    inputs = {"call": "effect", "args": {"path": path}}
    halves = [TaskSpec(key=key, title=key, agent="python", inputs=inputs, retries=50) for key in ("first half", "second half")]
    return TooBig("it comes in halves", tuple(halves))
