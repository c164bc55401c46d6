"""Thousands of tasks that only wait, as for the answer of a model: one executor process holds all of them at once."""

from benchmarks.figures import Bar, Figure, Readings, Taken
from benchmarks.plans import fan
from benchmarks.plot import Bars, Row
from benchmarks.question import Question
from benchmarks.runs import refuse_unless_sound, run_plan, timed
from benchmarks.sizes import Sizes
from benchmarks.stack import Bench
from benchmarks.watching import watched

SECONDS = 1.0
MOST_BEYOND_DISPATCH = Bar(1.3)
MOST_MEMORY = Bar(400)


async def measure(bench: Bench, sizes: Sizes) -> Readings:
    """Seconds for as many tasks that do nothing, which is what their dispatch costs, and for those that wait; memory while they do."""
    nothing = await run_plan(bench, fan(sizes.waiting))
    async with watched(bench.processes()) as seen:
        run = await timed(bench, fan(sizes.waiting, seconds=SECONDS))
    await refuse_unless_sound(bench, run.run_id)
    return {"dispatch": nothing.work, "makespan": run.work, "beyond": run.work - nothing.work, "memory": seen.peak["executor"]}


def figures(taken: Taken, sizes: Sizes) -> list[Figure]:
    """How much longer than dispatching them it took, and what the executor held."""
    own, what = taken["waiting"], f"{sizes.waiting} tasks of {SECONDS:g} s"
    return [
        Figure(f"{what}, first dispatch to verified", "s", own["makespan"]),
        Figure(f"{sizes.waiting} tasks of nothing, first dispatch to verified", "s", own["dispatch"]),
        Figure(f"{what}, makespan beyond that", "s", own["beyond"], MOST_BEYOND_DISPATCH),
        Figure(f"{what}, most memory of the executor", "MiB", own["memory"], MOST_MEMORY),
    ]


def plot(taken: Taken, sizes: Sizes) -> Bars:
    """The two runs, and their difference."""
    own = taken["waiting"]
    rows = (
        Row("tasks of nothing", own["dispatch"], ours=False),
        Row(f"tasks of {SECONDS:g} s", own["makespan"]),
        Row("the second beyond the first", own["beyond"], MOST_BEYOND_DISPATCH),
    )
    return Bars(f"{sizes.waiting} tasks that wait, in one executor", "seconds from the first dispatch to the verified root", rows)


QUESTION = Question(
    "waiting",
    "Waiting: thousands of model calls at once",
    """{waiting} tasks that each wait one second, as for the answer of a model, in one executor process. As many tasks that do
nothing run just before: their time is what dispatching so many costs on this machine, and the rest should be little more than the
second itself. Memory is the executor's resident memory at its highest.""",
    measure,
    figures,
    plot,
    fresh=True,
)
