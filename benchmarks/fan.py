"""How many tasks a second: thousands of no-op tasks fanned out and joined, through all five services; and where the time goes."""

from collections.abc import Mapping

from benchmarks import floor, pipeline
from benchmarks.figures import Bar, Figure, Readings, Taken, complete, ratios
from benchmarks.plans import fan
from benchmarks.plot import Bars, Row
from benchmarks.question import Question
from benchmarks.runs import refuse_unless_sound, timed
from benchmarks.sizes import Sizes
from benchmarks.stack import Bench
from benchmarks.watching import watched

LEAST_RATE = Bar(1_000, at_least=True)
LEAST_OF_PIPELINE = Bar(0.5, at_least=True)
LEAST_OF_PEER = {"celery": Bar(8, at_least=True), "temporal": Bar(25, at_least=True)}
RATIO = "fan ÷ pipeline"
STORE_AND_BROKER = ("mongod", "rabbitmq")


async def measure(bench: Bench, sizes: Sizes) -> Readings:
    """Floor, pipeline and house in turn, in tasks a second; and the processor time that each process took, in μs a task."""
    width = sizes.tasks
    shared = {name: process for name, process in bench.processes().items() if name in STORE_AND_BROKER}
    async with floor.started(bench.store_url, bench.broker_url) as least:
        readings = {"floor": width / await least.fan(width)}
    async with pipeline.started(bench.store_url, bench.broker_url) as sketch, watched({**sketch.processes, **shared}) as without:
        readings["pipeline"] = width / await sketch.fan(width)
    async with watched(bench.processes()) as seen:
        run = await timed(bench, fan(width))
    await refuse_unless_sound(bench, run.run_id)
    readings |= {"whole": width / run.whole, "work": width / run.work}
    return readings | _each(without.cpu, "pipeline cpu", width) | _each(seen.cpu, "cpu", width)


def figures(taken: Taken, sizes: Sizes) -> list[Figure]:
    """The rates, the ratios to what was taken beside them, and the shares."""
    own, peers = taken["fan"], complete(taken.get("peers", {}))
    what = f"fan of {sizes.tasks}"
    found = [
        Figure(f"{what}, submitted to verified", "tasks/s", own["whole"], LEAST_RATE),
        Figure(f"{what}, first dispatch to verified", "tasks/s", own["work"]),
        Figure(f"{what}, pipeline: the delivery design alone", "tasks/s", own["pipeline"]),
        Figure(f"{what}, floor: three batched hops", "tasks/s", own["floor"]),
        Figure(f"{RATIO}, submitted to verified", "times", ratios(own["whole"], own["pipeline"]), LEAST_OF_PIPELINE),
        Figure(f"{RATIO}, first dispatch to verified", "times", ratios(own["work"], own["pipeline"])),
        Figure("fan ÷ floor", "times", ratios(own["whole"], own["floor"])),
    ]
    for reading, rates in peers.items():
        peer, _, kind = reading.rpartition(" ")
        if kind == "fan":
            found.append(Figure(f"fan ÷ {peer}", "times", ratios(own["whole"], rates), LEAST_OF_PEER.get(peer)))
    found += [Figure(f"fan, processor time of {name}", "μs a task", own[f"cpu {name}"]) for name in _processes(own, "cpu ")]
    pipelines = _processes(own, "pipeline cpu ")
    return found + [Figure(f"pipeline, processor time of {name}", "μs a task", own[f"pipeline cpu {name}"]) for name in pipelines]


def plot(taken: Taken, sizes: Sizes) -> Bars:
    """All that was taken beside each other."""
    own, peers = taken["fan"], complete(taken.get("peers", {}))
    rows = [
        Row("floor: three batched hops", own["floor"], ours=False),
        Row("pipeline: the design alone", own["pipeline"], ours=False),
        Row("first dispatch to verified", own["work"]),
        Row("submitted to verified", own["whole"]),
        *(Row(reading.removesuffix(" fan"), rates, ours=False) for reading, rates in peers.items() if reading.endswith(" fan")),
    ]
    return Bars(f"{sizes.tasks} no-op tasks, fanned out and joined", "tasks a second, more is better", tuple(rows))


def _each(cpu: Mapping[str, float], prefix: str, width: int) -> dict[str, float]:
    return {f"{prefix} {name}": seconds * 1e6 / width for name, seconds in cpu.items()}


def _processes(own: Mapping[str, tuple[float, ...]], prefix: str) -> list[str]:
    return [reading.removeprefix(prefix) for reading in own if reading.startswith(prefix)]


QUESTION = Question(
    "fan",
    "Fan: how many tasks a second",
    """{tasks} no-op `python` tasks, each with a `schema` check, joined by one integration task, submitted by `POST /tasks` as a
plan. All goes through the five services, a real RabbitMQ and a real MongoDB. After each run the store is asked whether every task
is completed with exactly one executed attempt and one passed verdict; if not, there is no figure. "First dispatch" leaves planning
out. In the same round run the **pipeline** (`benchmarks/pipeline.py`: the same claims, ends, verdicts, completions and readiness
probes, equally durable and batched, without plans, API, contracts, leases, logs and live view) and the **floor**
(`benchmarks/floor.py`: three processes hop the same ids through quorum queues, one bulk write and one confirmed message for up to
200 of them, and decide nothing).

Where the other half goes is in the processor times: two cores are full during all of these, so what a task takes of them is what
decides. The rows *processor time* are what each process took, in μs for each task, here and in the pipeline: the difference,
process by process, is what the product costs beyond its delivery design. Planner and approvals have no counterpart in the pipeline
at all.""",
    measure,
    figures,
    plot,
    side_by_side=True,
)
