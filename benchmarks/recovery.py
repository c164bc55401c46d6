"""What a crash costs: a service is killed in the middle of a run, and the run must still end with every task done once and verified."""

import asyncio
from typing import Any

from benchmarks.figures import Figure, Readings, Taken
from benchmarks.plans import fan
from benchmarks.plot import Bars, Row
from benchmarks.question import Question
from benchmarks.runs import LOOK_SECONDS, PATIENCE, ended, refuse_unless_sound, submit
from benchmarks.sizes import Sizes
from benchmarks.stack import Bench
from shared.ids import in_run

TASK_SECONDS = 1.0
KILLED = ("sequencer", "executor")


async def measure(bench: Bench, sizes: Sizes) -> Readings:
    """Seconds, for each service that is killed."""
    return {"sequencer": await of_sequencer(bench, sizes.killed), "executor": await of_executor(bench, sizes.killed)}


def figures(taken: Taken, _sizes: Sizes) -> list[Figure]:
    """One a service."""
    return [Figure(f"recovery, {name} killed", "s", taken["recovery"][name]) for name in KILLED]


def plot(taken: Taken, _sizes: Sizes) -> Bars:
    """One a service."""
    rows = tuple(Row(f"{name} killed", taken["recovery"][name]) for name in KILLED)
    return Bars("A service is killed in the middle of a run", "seconds from the kill to the verified root", rows)


async def of_executor(bench: Bench, width: int) -> float:
    """Seconds from `kill -9` of the executor, with `width` tasks of a second each under way, to the verified root."""
    return await _killed(bench, "executor", width, when={"state": "running"}, count=width)


async def of_sequencer(bench: Bench, width: int) -> float:
    """Seconds from `kill -9` of the sequencer, as soon as the first of `width` tasks is done, to the verified root."""
    return await _killed(bench, "sequencer", width, when={"state": "executed"}, count=1)


async def _killed(bench: Bench, service: str, width: int, *, when: dict[str, Any], count: int) -> float:
    run_id = await submit(bench, fan(width, seconds=TASK_SECONDS))
    async with asyncio.timeout(PATIENCE):
        while await bench.documents["attempts"].count_documents({**in_run(run_id), **when}) < count:
            await asyncio.sleep(LOOK_SECONDS / 4)
    bench.processes()[service].kill()
    began = asyncio.get_running_loop().time()
    await ended(bench, run_id)
    seconds = asyncio.get_running_loop().time() - began
    await refuse_unless_sound(bench, run_id, disturbed=True)
    return seconds


QUESTION = Question(
    "recovery",
    "Recovery: what a crash costs",
    """Seconds from `kill -9` of a service to the verified root of a run of {killed} tasks that take one second each. The sequencer
is killed as soon as the first of them is done; the executor when all are under way: they wait for its leases to run out (15 s by
default), and are done again. In the end every task must have exactly one executed attempt and one passed verdict.""",
    measure,
    figures,
    plot,
    fresh=True,
)
