"""What a crash costs: a service is killed in the middle of a run, and the run must still end with every task done once and verified."""

import asyncio
from typing import Any

from benchmarks.plans import fan
from benchmarks.runs import LOOK_SECONDS, PATIENCE, ended, refuse_unless_sound, submit
from benchmarks.stack import Bench

TASK_SECONDS = 1.0


async def of_executor(bench: Bench, width: int) -> float:
    """Seconds from `kill -9` of the executor, with `width` tasks of a second each under way, to the verified root."""
    return await _killed(bench, "executor", width, when={"state": "running"}, count=width)


async def of_sequencer(bench: Bench, width: int) -> float:
    """Seconds from `kill -9` of the sequencer, as soon as the first of `width` tasks is done, to the verified root."""
    return await _killed(bench, "sequencer", width, when={"state": "executed"}, count=1)


async def _killed(bench: Bench, service: str, width: int, *, when: dict[str, Any], count: int) -> float:
    run_id = await submit(bench, fan(width, seconds=TASK_SECONDS))
    async with asyncio.timeout(PATIENCE):
        while await bench.documents["attempts"].count_documents({"run_id": run_id, **when}) < count:
            await asyncio.sleep(LOOK_SECONDS / 4)
    bench.processes()[service].kill()
    began = asyncio.get_running_loop().time()
    await ended(bench, run_id)
    seconds = asyncio.get_running_loop().time() - began
    await refuse_unless_sound(bench, run_id, disturbed=True)
    return seconds
