"""kill -9 at every failpoint. The points are those that services pass when nothing goes wrong, found by listening to them first."""

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from taskgrove.local.supervisor import SERVICES
from tests.faults.bench import Bench, scenario
from tests.faults.failpoints import KILL, RECORD
from tests.faults.people import somebody
from tests.faults.rig import Rig
from tests.faults.workload import everything

LISTENED_RUNS = 4
POINT_SECONDS = 20.0
"""A point that is not passed for so long while runs go on is left for later; then it is given up, and named."""


@dataclass
class Victim:
    """One replica, the points at which it still has to die, and at which it died."""

    name: str
    left: deque[str]
    died: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)


@scenario("failpoints", limit=2_400, timed=False)
async def failpoints(bench: Bench) -> None:
    """Every service dies by kill -9 before and after everything that it does with broker and store, all five beside each other."""
    points = await listened(bench)
    victims = [Victim(f"{service}-0", deque(names)) for service, names in points.items()]
    async with somebody(bench.rig), bench.load(lanes=2, make=everything, patience=180):
        await asyncio.gather(*(die_at_all(bench, victim) for victim in victims))
        for victim in victims:  # what was not passed while all others died too: alone, among the living
            await bench.rig.ready()
            victim.left, victim.missed = deque(victim.missed), []
            await die_at_all(bench, victim)
        await bench.rig.ready()
    bench.notes["points"] = sum(len(names) for names in points.values())
    bench.notes["died at"] = sum(len(victim.died) for victim in victims)
    bench.notes["not passed again"] = [f"{victim.name} {name}" for victim in victims for name in victim.missed]


async def listened(bench: Bench) -> dict[str, list[str]]:
    """All points that each service passes from its start on, while some runs go from beginning to end."""
    rig = bench.rig
    files = {service: rig.home.root / f"points-{service}" for service in SERVICES}
    await asyncio.gather(*(rig.reborn(f"{service}-0", {RECORD: str(file)}) for service, file in files.items()))
    async with somebody(rig), bench.load(make=everything) as runs:
        while runs.ended < LISTENED_RUNS:
            await asyncio.sleep(0.1)
    return {service: _names(file) for service, file in files.items()}


def _names(file: Path) -> list[str]:
    return sorted(set(file.read_text(encoding="utf-8").split()))


async def die_at_all(bench: Bench, victim: Victim, *, seconds: float = POINT_SECONDS) -> None:
    """One life for each point, up to it; at most so many seconds long."""
    rig = bench.rig
    while victim.left:
        point = victim.left.popleft()
        pid = await rig.reborn(victim.name, {KILL: f"{point}:1"})
        if died := await _death(rig, pid, seconds):
            bench.struck(f"kill at {point}", died)
            victim.died.append(point)
        else:
            victim.missed.append(point)
    await rig.reborn(victim.name, {})
    rig.release(victim.name)


async def _death(rig: Rig, pid: int, seconds: float) -> float | None:
    """When this process died; None: it lives on."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if died := next((death.at for death in reversed(rig.deaths) if death.pid == pid), None):
            return died
        await asyncio.sleep(0.05)
    return None
