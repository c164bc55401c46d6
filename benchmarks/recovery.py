"""What a crash costs: a service is killed in the middle of a run, and the run must still end with every task done once and verified."""

import asyncio

from benchmarks.plans import fan
from benchmarks.runs import LOOK_SECONDS, PATIENCE, ended, refuse_unless_sound, submit
from benchmarks.stack import Bench

TASK_SECONDS = 1.0


async def measure(bench: Bench, service: str, width: int) -> float:
    """Seconds by which `kill -9` of the service delays a run of `width` tasks that take a second each, all of them under way."""
    run_id = await submit(bench, fan(width, seconds=TASK_SECONDS))
    async with asyncio.timeout(PATIENCE):
        while await bench.documents["attempts"].count_documents({"run_id": run_id}) < width:
            await asyncio.sleep(LOOK_SECONDS)
    bench.processes()[service].kill()
    began = asyncio.get_running_loop().time()
    await ended(bench, run_id)
    seconds = asyncio.get_running_loop().time() - began
    await refuse_unless_sound(bench, run_id, disturbed=True)
    return seconds - TASK_SECONDS
