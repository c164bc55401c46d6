"""Whether a task costs the same in a run of a thousand and of a hundred thousand, alone and among a thousand runs."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import cycle
from random import Random
from time import perf_counter

from benchmarks.figures import Bar, Figure, Readings, Taken, percentile
from benchmarks.plans import fan, spread
from benchmarks.plot import Line, Lines
from benchmarks.question import Question
from benchmarks.runs import all_ended, ended, refuse_unless_sound, submit
from benchmarks.sizes import Sizes
from benchmarks.stack import Bench
from benchmarks.watching import highest, watched
from shared.contracts.phases import TERMINAL
from shared.ending import end
from shared.errors import NotFound
from taskgrove.local.supervisor import SERVICES

MOST_GROWTH = Bar(1.3)
MOST_MEMORY = Bar(300)
MOST_LOOK = Bar(50)
RUN_WIDTH = 10
SUBMITTERS = 16
LOOK_SECONDS = 0.05


async def measure(bench: Bench, sizes: Sizes) -> Readings:
    """Milliseconds a task by the size of the run and by the number of runs, the most memory, and how long looking took meanwhile."""
    readings: dict[str, float] = {}
    looks: list[float] = []
    async with watched(bench.processes()) as seen:
        for size in sizes.growth:
            looks = []
            readings[f"run of {size}"] = await _one(bench, size, group=sizes.group, looks=looks)
        for count in sizes.runs_at_once:
            readings[f"runs {count}"] = await _many(bench, count)
    memory = {f"memory {name}": seen.peak[name] for name in (*SERVICES, "mongod", "rabbitmq")}
    return readings | memory | {"memory": highest(seen.peak, SERVICES), "look": percentile(looks, 0.99)}


def figures(taken: Taken, sizes: Sizes) -> list[Figure]:
    """The costs by size, how they grow, memory, and looking."""
    own = taken["growth"]
    tasks = [Figure(f"run of {size} tasks", "ms a task", own[f"run of {size}"]) for size in sizes.growth]
    runs = [Figure(f"runs of {RUN_WIDTH} tasks at once: {count}", "ms a task", own[f"runs {count}"]) for count in sizes.runs_at_once]
    most, many = sizes.growth[-1], sizes.runs_at_once[-1]
    return [
        *tasks,
        Figure(f"run of {most} ÷ the cheapest smaller one", "times", _grown([f.samples for f in tasks]), MOST_GROWTH),
        *runs,
        Figure(f"{many} runs ÷ the cheapest fewer", "times", _grown([f.samples for f in runs]), MOST_GROWTH),
        Figure(f"GET /tasks/{{id}} during the run of {most}, 99th percentile", "ms", own["look"], MOST_LOOK),
        *(Figure(f"growth, most memory of {name}", "MiB", own[f"memory {name}"], MOST_MEMORY) for name in SERVICES),
        *(Figure(f"growth, most memory of {name}", "MiB", own[f"memory {name}"]) for name in ("mongod", "rabbitmq")),
    ]


def plot(taken: Taken, sizes: Sizes) -> Lines:
    """Cost of a task over the number of tasks."""
    own = taken["growth"]
    one = Line("one run", tuple((float(size), own[f"run of {size}"]) for size in sizes.growth))
    many = Line(f"runs of {RUN_WIDTH}", tuple((float(count * RUN_WIDTH), own[f"runs {count}"]) for count in sizes.runs_at_once))
    return Lines(
        "What a task costs as runs grow, and as they become many", "milliseconds a task", "tasks altogether", (one, many), steep=True
    )


async def _one(bench: Bench, size: int, *, group: int, looks: list[float]) -> float:
    """Milliseconds a task of a run that grows to `size` tasks, while somebody looks at it."""
    began = datetime.now(UTC)
    groups = -(-size // group)
    run_id = await submit(bench, spread(groups, size // groups))
    looking = asyncio.create_task(_look(bench, run_id, groups=groups, each=size // groups, looks=looks))
    try:
        over = await ended(bench, run_id)
    finally:
        await end([looking])
    tasks = await refuse_unless_sound(bench, run_id, split=groups)
    return (over - began).total_seconds() * 1e3 / tasks


async def _many(bench: Bench, count: int) -> float:
    """Milliseconds a task of `count` runs at once."""
    room = asyncio.Semaphore(SUBMITTERS)

    async def one() -> str:
        async with room:
            return await submit(bench, fan(RUN_WIDTH - 1))

    began = datetime.now(UTC)
    run_ids = await asyncio.gather(*(one() for _ in range(count)))
    over = await all_ended(bench, run_ids)
    tasks = sum([await refuse_unless_sound(bench, run_id) for run_id in run_ids])
    return (over - began).total_seconds() * 1e3 / tasks


async def _look(bench: Bench, run_id: str, *, groups: int, each: int, looks: list[float]) -> None:
    """As somebody who follows the run: at its root, at a group, at a task, in turn. What is not there yet does not count."""
    dice = Random(run_id)  # noqa: S311 (which tasks are looked at need not be a secret)
    for depth in cycle(range(3)):
        group = f"{run_id}.{dice.randint(1, groups)}"
        name = (run_id, group, f"{group}.{dice.randint(1, each)}")[depth]
        began = perf_counter()
        with suppress(NotFound):
            task = await bench.client.task(name)
            looks.append((perf_counter() - began) * 1e3)
            if name == run_id and task.phase in TERMINAL:
                return
        await asyncio.sleep(LOOK_SECONDS)


def _grown(by_size: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    """Round by round, the largest over the cheapest of the others: who is dear at first has grown the least."""
    *others, last = by_size
    return tuple(this / min(those) for this, those in zip(last, zip(*others, strict=True), strict=True))


QUESTION = Question(
    "growth",
    "Growth: whether a task costs the same in a large run",
    """One run of {growth} no-op tasks, each checked: its plan has groups that executors break down into {group} tasks each while it
goes on, as one submission has no room for so many. Then {runs_at_once} runs at once of ten tasks, submitted by sixteen clients. The
time is from the first call of `POST /tasks` to the last verified root, for each task of the run or runs. Meanwhile somebody asks
for the root, a group and a task in turn, twenty times a second (`GET /tasks/{{id}}`), and the resident memory of each process is
watched: the figures are the highest over all of it. Growth is held against the cheapest smaller run, not against the smallest,
whose fixed costs would hide it.""",
    measure,
    figures,
    plot,
    fresh=True,
)
