"""What one link of a chain costs: its task ends, is judged, completed, and the next one is dispatched and ends; and where that goes."""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from statistics import mean, median
from typing import Any

from benchmarks import floor, pipeline
from benchmarks.figures import Bar, Figure, Readings, Taken, complete, percentile, ratios
from benchmarks.plans import chain
from benchmarks.plot import Bars, Row
from benchmarks.question import Question
from benchmarks.runs import run_plan
from benchmarks.sizes import Sizes
from benchmarks.stack import Bench
from shared.ids import in_run

MOST_LINK = Bar(25)
MOST_OF_PIPELINE = Bar(1.1)
MOST_TAIL = Bar(3)
STEPS = {
    "ready → claimed": "said by the sequencer, heard by an executor, which reads the task and inserts the attempt",
    "claimed → ended": "the work itself, which is nothing here",
    "ended → judged": "the end of the attempt written and said, heard by a checker, which reads the attempt and the task and judges",
    "judged → completed": "the verdict written and said, heard by the sequencer, which reads it and decides",
    "completed → next ready": "the completion written, dependents read, their release decided",
}


async def measure(bench: Bench, sizes: Sizes) -> Readings:
    """Floor, pipeline and house in turn, in milliseconds a link; single links and their parts by the documents."""
    length = sizes.links
    async with floor.started(bench.store_url, bench.broker_url) as least:
        readings = {"floor": await least.chain(length)}
    async with pipeline.started(bench.store_url, bench.broker_url) as sketch:
        readings["pipeline"] = await sketch.chain(length)
    run = await run_plan(bench, chain(length))
    moments = await _moments(bench, run.run_id)
    links = [_ms(before[-1], after[-1]) for before, after in pairwise(moments)]
    readings |= {"wall": run.whole * 1e3 / (length + 1), "median": median(links), "p99": percentile(links, 0.99)}
    return readings | _parts(moments)


def figures(taken: Taken, sizes: Sizes) -> list[Figure]:
    """A link, its tail, and its ratios to what was taken beside it."""
    own, peers = taken["chain"], complete(taken.get("peers", {}))
    what = f"chain of {sizes.links}"
    found = [
        Figure(f"{what}, submitted to verified", "ms a link", own["wall"], MOST_LINK),
        Figure(f"{what}, one link", "ms", own["median"], MOST_LINK),
        Figure(f"{what}, one link, 99th percentile", "ms", own["p99"]),
        Figure(f"{what}, 99th percentile ÷ median", "times", ratios(own["p99"], own["median"]), MOST_TAIL),
        Figure(f"{what}, pipeline: the delivery design alone", "ms a link", own["pipeline"]),
        Figure(f"{what}, floor: three hops", "ms a link", own["floor"]),
        Figure("chain ÷ pipeline", "times", ratios(own["wall"], own["pipeline"]), MOST_OF_PIPELINE),
        Figure("chain ÷ floor", "times", ratios(own["wall"], own["floor"])),
    ]
    for reading, links in peers.items():
        peer, _, kind = reading.rpartition(" ")
        if kind == "chain":
            found.append(Figure(f"chain ÷ {peer}", "times", ratios(own["wall"], links)))
    return found + [Figure(f"link, {step}", "ms", own[step]) for step in STEPS]


def plot(taken: Taken, sizes: Sizes) -> Bars:
    """All that was taken beside each other."""
    own, peers = taken["chain"], complete(taken.get("peers", {}))
    rows = [
        Row("floor: three hops", own["floor"], ours=False),
        Row("pipeline: the design alone", own["pipeline"], ours=False),
        Row("submitted to verified", own["wall"], MOST_LINK),
        Row("one link, median", own["median"]),
        Row("one link, 99th percentile", own["p99"]),
        *(Row(step, own[step]) for step in STEPS),
        *(Row(reading.removesuffix(" chain"), links, ours=False) for reading, links in peers.items() if reading.endswith(" chain")),
    ]
    return Bars(f"A chain of {sizes.links} no-op tasks", "milliseconds a link, less is better", tuple(rows))


async def _moments(bench: Bench, run_id: str) -> list[tuple[datetime, ...]]:
    """Of each task, in their order: ready, claimed, ended, judged, completed."""
    of_run = in_run(run_id)
    tasks = await bench.documents["tasks"].find({"parent_id": run_id}, ["ready_at", "finished_at"]).sort("position", 1).to_list()
    attempts = _by_task(await bench.documents["attempts"].find(of_run, ["task_id", "claimed_at", "finished_at"]).to_list())
    verdicts = _by_task(await bench.documents["verdicts"].find(of_run, ["task_id", "created_at"]).to_list())
    found = list[tuple[datetime, ...]]()
    for task in tasks:
        attempt, verdict = attempts[task["_id"]], verdicts[task["_id"]]
        found.append((task["ready_at"], attempt["claimed_at"], attempt["finished_at"], verdict["created_at"], task["finished_at"]))
    return found


def _by_task(docs: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {doc["task_id"]: doc for doc in docs}


def _parts(moments: Sequence[tuple[datetime, ...]]) -> dict[str, float]:
    """Means, because the store keeps whole milliseconds: over hundreds of links they add up to the link."""
    steps = [[_ms(before, after) for before, after in pairwise(one)] for one in moments]
    releases = [_ms(before[-1], after[0]) for before, after in pairwise(moments)]
    return dict(zip(STEPS, [*map(mean, zip(*steps, strict=True)), mean(releases)], strict=True))


def _ms(before: datetime, after: datetime) -> float:
    return (after - before).total_seconds() * 1e3


QUESTION = Question(
    "chain",
    "Chain: what one link costs",
    """{links} such tasks, each waiting for the one before it. The time from `POST /tasks` to the verified root is divided by the
links, planning and the root's own steps included; median and 99th percentile of single links, and the parts of a link, are taken
from the documents. The pipeline's chain has the same steps without the product, the floor's makes three hops a link.

The parts of a link:
"""
    + "\n".join(f"\n- *{step}*: {what}." for step, what in STEPS.items()),
    measure,
    figures,
    plot,
    side_by_side=True,
)
