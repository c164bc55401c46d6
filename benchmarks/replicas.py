"""Whether more executors do more: tasks that compute, one executor to a core."""

import os
from collections.abc import Iterable
from contextlib import AsyncExitStack, suppress

import psutil

from benchmarks.figures import Bar, Figure, Readings, Taken, ratios
from benchmarks.plans import burning
from benchmarks.plot import Line, Lines
from benchmarks.question import Question
from benchmarks.runs import run_plan
from benchmarks.sizes import Sizes
from benchmarks.stack import Bench, replica

TASK_SECONDS = 0.010
LEAST_GAIN = Bar(1.8, at_least=True)
WARM = 20


async def measure(bench: Bench, sizes: Sizes) -> Readings:
    """Tasks a second by the number of executors, each with its pool on one core, in turn."""
    cores = sorted(os.sched_getaffinity(0))
    keep_to([bench.processes()["executor"]], cores[0])
    readings: dict[str, float] = {}
    running = 1
    async with AsyncExitStack() as replicas:
        for count in sizes.replicas:
            for number in range(running, count):
                process = await replicas.enter_async_context(replica(bench, "executor"))
                keep_to([process], cores[number % len(cores)])
            running = count
            await run_plan(bench, burning(WARM * count, TASK_SECONDS))
            run = await run_plan(bench, burning(sizes.computing, TASK_SECONDS))
            readings[str(count)] = sizes.computing / run.work
    return readings


def figures(taken: Taken, sizes: Sizes) -> list[Figure]:
    """Rates, and what they gain."""
    own = taken["replicas"]
    first, best = own[str(sizes.replicas[0])], tuple(map(max, zip(*own.values(), strict=True)))
    return [
        *(Figure(f"tasks of {TASK_SECONDS * 1e3:g} ms, executors: {count}", "tasks/s", own[str(count)]) for count in sizes.replicas),
        Figure("the best number of executors ÷ one", "times", ratios(best, first), LEAST_GAIN),
    ]


def plot(taken: Taken, sizes: Sizes) -> Lines:
    """Rates over replicas."""
    points = tuple((float(count), taken["replicas"][str(count)]) for count in sizes.replicas)
    return Lines(f"Tasks that compute for {TASK_SECONDS * 1e3:g} ms", "tasks a second", "executors", (Line("executors", points),))


def keep_to(processes: Iterable[psutil.Process], core: int) -> None:
    """All threads of these, and whatever they start from now on, run on this core alone: as in a container with one processor."""
    for process in processes:
        for thread in process.threads():
            with suppress(ProcessLookupError):
                os.sched_setaffinity(thread.id, {core})


QUESTION = Question(
    "replicas",
    "Replicas: whether more executors do more",
    """{computing} tasks of the agent `python` that compute for 10 ms each in the executor's pool of processes, with {replicas}
executors. Each executor is kept to one core with its pool, as a container with one processor would be, and the cores are dealt out
in turn: past as many executors as there are cores nothing can be gained. Broker, store and the other services share those cores.""",
    measure,
    figures,
    plot,
    fresh=True,
)
