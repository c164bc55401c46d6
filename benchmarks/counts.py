"""What is counted rather than timed: events, deliveries, reads and writes for a task, held against the cost model in docs/concepts."""

import asyncio
from collections.abc import Mapping
from time import perf_counter

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.figures import Bar, Figure, Readings, Taken
from benchmarks.plans import chain, fan
from benchmarks.plot import Bars, Row
from benchmarks.question import Question
from benchmarks.runs import refuse_unless_sound, timed
from benchmarks.sizes import Sizes
from benchmarks.stack import Bench
from shared.contracts.plan import NotesFile
from taskgrove.local.supervisor import SERVICES

METRICS = {
    "taskgrove_events_said_total": ("says", "event"),
    "taskgrove_hop_seconds_count": ("deliveries to", ""),
    "taskgrove_store_seconds_count": ("asks the store:", "operation"),
}
SERVER = {
    "documents inserted": ("metrics", "document", "inserted"),
    "documents updated": ("metrics", "document", "updated"),
    "documents read": ("metrics", "document", "returned"),
    "keys looked at": ("metrics", "queryExecutor", "scanned"),
    "journal syncs": ("wiredTiger", "log", "log sync operations"),
}
MODEL = {
    "sequencer says task.ready": 1,
    "executor says task.executed": 1,
    "checker says task.verified": 1,
    "sequencer says task.completed": 1,
    "deliveries to sequencer": 1,
    "deliveries to executor": 1,
    "deliveries to checker": 1,
    "sequencer asks the store: find": 3,
    "sequencer asks the store: bulk": 2,
    "executor asks the store: find": 1,
    "executor asks the store: insert": 1,
    "executor asks the store: bulk": 1,
    "checker asks the store: find": 2,
    "checker asks the store: insert": 1,
}
"""What one link of a chain needs, by the code: the table of docs/concepts/cost.md."""
SLACK = 0.5
"""The run's own start and end, and looks at what runs, are in the counts as well."""


async def measure(bench: Bench, sizes: Sizes) -> Readings:
    """All counts, for a link of a chain and for a task of a fan, without what is counted while nothing happens."""
    before = await _counters(bench)
    await asyncio.sleep(sizes.idle_seconds)
    idle = {name: (count - before[name]) / sizes.idle_seconds for name, count in (await _counters(bench)).items()}
    links = await _counted(bench, chain(sizes.counted_links), sizes.counted_links, idle=idle)
    tasks = await _counted(bench, fan(sizes.counted_tasks), sizes.counted_tasks, idle=idle)
    return {f"link: {name}": count for name, count in links.items()} | {f"task: {name}": count for name, count in tasks.items()}


def figures(taken: Taken, _sizes: Sizes) -> list[Figure]:
    """Links beside the model, then both beside each other. What happens less than once in a hundred is left out."""
    own = taken["counts"]
    told = [name for name, samples in own.items() if max(samples) >= 0.01]
    found = []
    for name in told:
        kind, _, what = name.partition(": ")
        bar = Bar(MODEL[what] + SLACK) if kind == "link" and what in MODEL else None
        found.append(Figure(f"{'chain' if kind == 'link' else 'fan'}, {what}", f"a {kind}", own[name], bar))
    return found


def plot(taken: Taken, _sizes: Sizes) -> Bars:
    """What the store was asked, and what was said, for a link and for a task."""
    own = taken["counts"]
    wanted = ("asks the store", "says", "deliveries")
    names = [name for name, samples in own.items() if max(samples) >= 0.05 and any(word in name for word in wanted)]
    rows = tuple(Row(name, own[name], ours=name.startswith("link")) for name in names)
    return Bars("Counted: alone in a chain, and together in a fan", "times a link, times a task", rows)


async def _counted(bench: Bench, plan: NotesFile, tasks: int, *, idle: Mapping[str, float]) -> dict[str, float]:
    began, before = perf_counter(), await _counters(bench)
    run = await timed(bench, plan)
    after, seconds = await _counters(bench), perf_counter() - began
    await refuse_unless_sound(bench, run.run_id)
    return {name: max(0.0, count - before[name] - idle[name] * seconds) / tasks for name, count in after.items()}


async def _counters(bench: Bench) -> dict[str, float]:
    found: dict[str, float] = {}
    async with httpx2.AsyncClient(trust_env=False) as http:
        for service in SERVICES:
            text = (await http.get(f"http://127.0.0.1:{bench.port(service)}/metrics")).text
            found.update(_of_service(service, text))
    status = await bench.documents.client.admin.command("serverStatus")
    found.update({name: _at(status, path) for name, path in SERVER.items()})
    found["bytes of documents kept"] = float((await bench.documents.command("dbStats"))["dataSize"])
    return found


def _of_service(service: str, text: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name in METRICS:
                verb, label = METRICS[sample.name]
                name = f"{service} {verb} {sample.labels[label]}" if label else f"{verb} {service}"
                found[name] = sample.value
    return found


def _at(status: Mapping[str, object], path: tuple[str, ...]) -> float:
    value: object = status
    for name in path:
        value = value[name] if isinstance(value, Mapping) else 0
    return float(value) if isinstance(value, (int, float)) else 0.0


QUESTION = Question(
    "counts",
    "Counts: what a task asks of broker and store",
    """Read off the services' own metrics and MongoDB's `serverStatus` before and after a chain of {counted_links} and a fan of
{counted_tasks} tasks, divided by their number; what is counted while nothing happens (sweeps, samples, heartbeats) is taken off. In
a chain nothing waits for company: a link shows each step once, and the bars are what the [cost model](concepts/cost.md) says of it.
In a fan hundreds go together. Counts do not depend on how fast a machine is.""",
    measure,
    figures,
    plot,
    side_by_side=True,
)
