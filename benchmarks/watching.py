"""What processes take while something is measured: memory at its highest, and processor time, each with all that it started."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import psutil

from shared.ending import end

LOOK_SECONDS = 0.2
FAMILY_LOOKS = 10
"""Whose children are whose takes ten milliseconds to find out, in which this process can do nothing else: only at every tenth look."""
MIB = 2**20

Processes = Mapping[str, psutil.Process]


@dataclass(slots=True)
class Seen:
    """By the names of the processes. `peak`: MiB of resident memory; `cpu`: seconds of processor time, once it is over."""

    peak: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)


@asynccontextmanager
async def watched(processes: Processes) -> AsyncIterator[Seen]:
    """Look at these for as long as the block lasts."""
    seen = Seen()
    before = cpu_seconds(processes)
    looking = asyncio.create_task(_look(processes, seen))
    try:
        yield seen
    finally:
        await end([looking])
        _note_memory(_families(processes), seen)
        seen.cpu = {name: after - before[name] for name, after in cpu_seconds(processes).items()}


def cpu_seconds(processes: Processes) -> dict[str, float]:
    """Processor time since each began."""
    return {name: sum(map(spent, family)) for name, family in _families(processes).items()}


def spent(process: psutil.Process) -> float:
    """Processor time of one, and of those of its children that have ended."""
    with suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)
    return 0.0


def highest(seen: Mapping[str, float], names: Iterable[str]) -> float:
    """The highest of these."""
    return max(seen[name] for name in names)


async def _look(processes: Processes, seen: Seen) -> None:
    while True:
        families = _families(processes)
        for _ in range(FAMILY_LOOKS):
            _note_memory(families, seen)
            await asyncio.sleep(LOOK_SECONDS)


def _note_memory(families: Mapping[str, Sequence[psutil.Process]], seen: Seen) -> None:
    for name, family in families.items():
        seen.peak[name] = max(seen.peak.get(name, 0.0), sum(map(_resident, family)) / MIB)


def _resident(process: psutil.Process) -> int:
    with suppress(psutil.NoSuchProcess):
        return int(process.memory_info().rss)
    return 0


def _families(processes: Processes) -> dict[str, list[psutil.Process]]:
    """Each with all below it, from one look at all processes."""
    children: dict[int, list[psutil.Process]] = defaultdict(list)
    for one in psutil.process_iter(["ppid"]):
        children[one.info["ppid"]].append(one)
    families = {name: [process] for name, process in processes.items()}
    for family in families.values():
        for one in family:  # grows while it is walked
            family.extend(children[one.pid])
    return families
