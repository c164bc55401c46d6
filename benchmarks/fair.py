"""Whether a small run waits for a large one that came before it."""

import asyncio
from statistics import median

from benchmarks.figures import Bar, Figure, Readings, Taken, ratios
from benchmarks.plans import bare
from benchmarks.plot import Bars, Row
from benchmarks.question import Question
from benchmarks.runs import LOOK_SECONDS, PATIENCE, ended, refuse_unless_sound, run_plan, submit
from benchmarks.sizes import Sizes
from benchmarks.stack import Bench
from shared.contracts.phases import TERMINAL
from shared.ids import in_run

SMALL = 5
UNDER_WAY = 0.02
MOST_RATIO = Bar(2)
CALLS = {"of nothing": "noop", "of 500 ms": "nap"}


async def measure(bench: Bench, sizes: Sizes) -> Readings:
    """Seconds of a small run alone and beside a large one, with tasks that do nothing and with tasks that wait."""
    readings: dict[str, float] = {}
    for kind, call in CALLS.items():
        readings[f"{kind}, alone"] = median([(await run_plan(bench, bare(SMALL, call))).whole for _ in range(sizes.alone)])
        readings[f"{kind}, beside"] = median(await _beside(bench, sizes.crowd, call))
    return readings


def figures(taken: Taken, sizes: Sizes) -> list[Figure]:
    """Both times, and their ratio."""
    own = taken["fair"]
    found = []
    for kind in CALLS:
        beside, alone = own[f"{kind}, beside"], own[f"{kind}, alone"]
        found += [
            Figure(f"{SMALL} tasks {kind}, alone", "s", alone),
            Figure(f"{SMALL} tasks {kind}, beside {sizes.crowd}", "s", beside),
            Figure(f"{SMALL} tasks {kind}, beside ÷ alone", "times", ratios(beside, alone), MOST_RATIO),
        ]
    return found


def plot(taken: Taken, sizes: Sizes) -> Bars:
    """Both times."""
    places = [(f"{kind}, {where}", where == "beside") for kind in CALLS for where in ("alone", "beside")]
    rows = tuple(Row(f"tasks {place}", taken["fair"][place], ours=beside) for place, beside in places)
    return Bars(f"A run of {SMALL} tasks, alone and beside one of {sizes.crowd}", "seconds, submitted to verified", rows)


async def _beside(bench: Bench, crowd: int, call: str) -> list[float]:
    """Seconds of small runs, one after the other for as long as the large one goes on; the last may outlast it, but began before."""
    large = await submit(bench, bare(crowd, call))
    async with asyncio.timeout(PATIENCE):
        while await bench.documents["attempts"].count_documents({**in_run(large), "state": "executed"}) < crowd * UNDER_WAY:
            await asyncio.sleep(LOOK_SECONDS)
    small = list[float]()
    while not small or not await _is_over(bench, large):
        small.append((await run_plan(bench, bare(SMALL, call))).whole)
    await ended(bench, large)
    await refuse_unless_sound(bench, large)
    return small


async def _is_over(bench: Bench, run_id: str) -> bool:
    root = await bench.documents["tasks"].find_one({"_id": run_id}, {"phase": 1})
    return root is not None and root["phase"] in TERMINAL


QUESTION = Question(
    "fair",
    "Fairness: a small run beside a large one",
    """Two runs at once: one of {crowd} tasks, all ready from the start, and, from when some of them are done, one of five tasks
after the other. Their time is held against the same five tasks alone, once with tasks that do nothing and once with tasks that wait
half a second.""",
    measure,
    figures,
    plot,
    fresh=True,
)
