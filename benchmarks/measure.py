"""All measurements in turn, round by round, as figures."""

import os
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks import chain, fan, floor, idle, recovery, startup
from benchmarks.figures import Bar, Figure, percentile
from benchmarks.floor import Floor
from benchmarks.machine import Weather
from benchmarks.stack import Bench
from taskgrove.local.supervisor import SERVICES

LEAST_RATE = Bar(1_000, at_least=True)
MOST_LINK = Bar(25)
MOST_IDLE = Bar(1)
MOST_START = Bar(3)
KILLED = {"sequencer": recovery.of_sequencer, "executor": recovery.of_executor}


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured."""

    tasks: int = 5_000
    links: int = 200
    rounds: int = 3
    idle_seconds: float = 10.0
    starts: int = 2
    killed: int = 200


QUICK = Sizes(tasks=1_000, links=50, idle_seconds=3.0, starts=0, killed=0)


@dataclass(slots=True)
class Samples:
    """What the rounds gave, by figure."""

    of: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    others: list[float] = field(default_factory=list)

    def add(self, name: str, value: float) -> None:
        """One more, shown at once: a run takes minutes."""
        self.of[name].append(value)
        print(f"  {name}: {value:.2f}", flush=True)


async def starts(root: Path, sizes: Sizes, samples: Samples) -> None:
    """Start and end everything, several times."""
    for _ in range(sizes.starts):
        samples.add("start", await startup.measure(root))


async def rounds(bench: Bench, sizes: Sizes, samples: Samples) -> None:
    """Floor and house in turn, so that both meet the same weather."""
    samples.add("start", bench.stack.start_seconds)
    async with floor.started(bench.store_url, bench.broker_url) as least:
        await fan.measure(bench, 100)
        await chain.measure(bench, 10)
        for number in range(sizes.rounds):
            print(f"round {number + 1} of {sizes.rounds}, load average {os.getloadavg()[0]:.1f}", flush=True)
            weather = Weather()
            await _fan(bench, least, sizes, samples=samples)
            await _chain(bench, least, sizes, samples=samples)
            samples.others.append(weather.others())
            print(f"  other programs took {samples.others[-1]:.0f} % of the machine", flush=True)
    for _ in range(sizes.rounds):
        for name, percent in (await idle.measure(bench, sizes.idle_seconds)).items():
            samples.add(f"idle {name}", percent)
    for service, measure in KILLED.items() if sizes.killed else ():
        for _ in range(sizes.rounds):
            samples.add(f"recovery {service}", await measure(bench, sizes.killed))


def figures(samples: Samples, sizes: Sizes) -> list[Figure]:
    """The report's lines."""
    of = {name: tuple(values) for name, values in samples.of.items()}
    fan_floor, chain_floor = median(of["floor fan"]), median(of["floor chain"])
    tasks, links = f"fan of {sizes.tasks}", f"chain of {sizes.links}"
    found = [
        Figure(f"{tasks}, submitted to verified", "tasks/s", of["fan whole"], bar=LEAST_RATE, floor=fan_floor),
        Figure(f"{tasks}, first dispatch to verified", "tasks/s", of["fan work"], floor=fan_floor),
        Figure(f"{tasks}, floor: three batched hops", "tasks/s", of["floor fan"]),
        Figure(f"{links}, submitted to verified", "ms a link", of["chain wall"], bar=MOST_LINK, floor=chain_floor),
        Figure(f"{links}, one link", "ms", of["link median"], bar=MOST_LINK, floor=chain_floor),
        Figure(f"{links}, one link, 99th percentile", "ms", of["link p99"]),
        Figure(f"{links}, floor: three hops", "ms a link", of["floor chain"]),
    ]
    found += [Figure(f"idle, {name}", "% of a core", of[f"idle {name}"], bar=MOST_IDLE) for name in SERVICES]
    with suppress(KeyError):
        found += [Figure(f"idle, {name}", "% of a core", of[f"idle {name}"]) for name in ("mongod", "rabbitmq")]
    found.append(Figure("start of all five services", "s", of["start"], bar=MOST_START))
    return found + [Figure(f"recovery, {name} killed", "s", of[f"recovery {name}"]) for name in KILLED if f"recovery {name}" in of]


def any_missed(found: Iterable[Figure]) -> bool:
    """Whether a bar is missed."""
    return any(figure.missed for figure in found)


async def _fan(bench: Bench, least: Floor, sizes: Sizes, *, samples: Samples) -> None:
    samples.add("floor fan", sizes.tasks / await least.fan(sizes.tasks))
    run = await fan.measure(bench, sizes.tasks)
    samples.add("fan whole", sizes.tasks / run.whole)
    samples.add("fan work", sizes.tasks / run.work)


async def _chain(bench: Bench, least: Floor, sizes: Sizes, *, samples: Samples) -> None:
    samples.add("floor chain", await least.chain(sizes.links))
    measured = await chain.measure(bench, sizes.links)
    samples.add("chain wall", measured.wall)
    samples.add("link median", median(measured.links))
    samples.add("link p99", percentile(measured.links, 0.99))
