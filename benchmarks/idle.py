"""What a service costs while nothing happens, and how often it asks the store whether something did."""

import asyncio
from collections import Counter
from typing import Any

from benchmarks.figures import Bar, Figure, Readings, Taken
from benchmarks.plot import Bars, Row
from benchmarks.question import Question
from benchmarks.sizes import Sizes
from benchmarks.stack import Bench
from benchmarks.watching import cpu_seconds
from taskgrove.local.supervisor import SERVICES

SETTLE_SECONDS = 5.0
MOST_PERCENT = Bar(0.5)
MOST_OFTEN = Bar(1.25)
"""The sweep looks once a second, give or take a fifth, so that replicas do not look together."""
EVERYTHING, NOTHING = 2, 0
QUESTIONS = ("find", "filter", "query", "aggregate", "count", "pipeline", "q")


async def measure(bench: Bench, sizes: Sizes) -> Readings:
    """Percent of one core by process, then the rate of the question that a service asks most often. The store notes all it is asked."""
    await asyncio.sleep(SETTLE_SECONDS)
    processes = bench.processes()
    before = cpu_seconds(processes)
    await asyncio.sleep(sizes.idle_seconds)
    after = cpu_seconds(processes)
    percent = {name: 100 * (after[name] - before[name]) / sizes.idle_seconds for name in processes}
    asked = await _asked(bench, sizes.idle_seconds)
    often = {f"asks {name}": max([count for (who, _), count in asked.items() if who == name], default=0.0) for name in SERVICES}
    return percent | {name: count / sizes.idle_seconds for name, count in often.items()}


def figures(taken: Taken, _sizes: Sizes) -> list[Figure]:
    """Processor time first, then questions."""
    own = taken["idle"]
    return [
        *(Figure(f"idle, {name}", "% of a core", own[name], MOST_PERCENT) for name in SERVICES),
        *(Figure(f"idle, {name}", "% of a core", own[name]) for name in ("mongod", "rabbitmq")),
        *(Figure(f"idle, {name}'s most frequent question", "a second", own[f"asks {name}"], MOST_OFTEN) for name in SERVICES),
    ]


def plot(taken: Taken, _sizes: Sizes) -> Bars:
    """Processor time."""
    own = taken["idle"]
    rows = [Row(name, own[name], MOST_PERCENT) for name in SERVICES]
    return Bars(
        "Each process while nothing happens", "percent of one core", (*rows, *(Row(n, own[n], ours=False) for n in ("mongod", "rabbitmq")))
    )


async def _asked(bench: Bench, seconds: float) -> Counter[tuple[str, str]]:
    """How often each service asked each question: its collection and the names in its filter."""
    await bench.documents.command("profile", EVERYTHING)
    await asyncio.sleep(seconds)
    await bench.documents.command("profile", NOTHING)
    found: Counter[tuple[str, str]] = Counter()
    async for noted in bench.documents["system.profile"].find({}, ["user", "ns", "command", "op"]):
        who, asked = str(noted.get("user", "")).partition("@")[0], _shape(noted.get("command", {}))
        found[who, f"{noted['op']} {noted['ns']} {asked}"] += 1
    await bench.documents["system.profile"].drop()
    return found


def _shape(command: dict[str, Any]) -> str:
    return " ".join(_names(command[name]) for name in QUESTIONS if name in command)


def _names(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{name}:{_names(inner)}" for name, inner in value.items()) + "}"
    return f"[{','.join(sorted({_names(inner) for inner in value}))}]" if isinstance(value, list) else "?"


QUESTION = Question(
    "idle",
    "Idle: what it costs while nothing happens",
    """Processor time of each process over {idle_seconds:g} s while nothing happens, in percent of one core. Then, for as long
again, MongoDB notes every operation (its profiler): *most frequent question* is how often a service asked the same of the same
collection. A service hears of work by messages; what it asks the store over and over is its sweep, once a second.""",
    measure,
    figures,
    plot,
    side_by_side=True,
)
