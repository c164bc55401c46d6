"""A scenario: one function that puts faults to a rig while runs go on; and what is found when it is over.

    @scenario("kill-random", replicas={"executor": 2}, limit=300)
    async def kill_random(bench: Bench) -> None:
        \"\"\"One line that says what happens; the report prints it.\"\"\"
        async with bench.load(lanes=3):
            at = bench.rig.kill("executor-0")
            bench.struck("kill", at, service="executor")
        bench.expect(something, "what was to be true")

When the function returns, all accepted runs have ended (`load` waits); then `judge` verifies store and ledger and measures recovery.
"""

import asyncio
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from shared.contracts.plan import NotesFile
from tests.faults.recovery import Fault, Piece, Recovery, measure
from tests.faults.rig import Rig
from tests.faults.verify import Tally, verify
from tests.faults.workload import Load, grove, load

LIMIT = 300.0


@dataclass
class Bench:
    """What a scenario works with, and what it notes down."""

    rig: Rig
    kills: int = 0
    """How many kills the long mode asks for; 0: the scenario's own number."""
    faults: list[Fault] = field(default_factory=list)
    accepted: dict[str, Piece] = field(default_factory=dict)
    refused: int = 0
    quarantined: int = 0
    """How many messages may lie in quarantine in the end."""
    notes: dict[str, Any] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)

    def struck(self, what: str, at: float | None = None, *, end: float | None = None, service: str | None = None) -> None:
        """A fault was put at `at` (now) and lasted until `end`; recovery is timed from there, by the slice of `service` if it names one."""
        began = time.time() if at is None else at
        self.faults.append(Fault(what, began, began if end is None else end, service))

    def expect(self, holds: object, what: str) -> None:
        """Note down what does not hold."""
        if not holds:
            self.findings.append(f"not so: {what}")

    @asynccontextmanager
    async def load(self, *, lanes: int = 2, make: Callable[[Rig], NotesFile] = grove, patience: float = 120.0) -> AsyncIterator[Load]:
        """Runs go on while the block does; after it, all that were accepted have ended, within `patience` seconds."""
        async with load(self.rig, lanes=lanes, make=make, patience=patience, accepted=self.accepted) as runs:
            yield runs
        self.refused += runs.refused


Play = Callable[[Bench], Awaitable[None]]


@dataclass(frozen=True)
class Scenario:
    """A function that plays it, and the rig that it needs."""

    name: str
    play: Play
    setup: Mapping[str, Any]
    limit: float
    timed: bool = True

    @property
    def what(self) -> str:
        """Its first line."""
        return (self.play.__doc__ or "").strip().splitlines()[0]


@dataclass
class Result:
    """A scenario that was played."""

    name: str
    what: str
    seconds: float
    faults: int
    tally: Tally
    recovery: Recovery
    notes: dict[str, Any]
    findings: list[str]

    @property
    def passed(self) -> bool:
        """Whether all is as it must be."""
        return not self.findings


SCENARIOS: dict[str, Scenario] = {}


def scenario(name: str, *, limit: float = LIMIT, timed: bool = True, **setup: Any) -> Callable[[Play], Play]:
    """Register a scenario. `setup`: keywords of `Rig`. `limit`: seconds after which it has failed.

    `timed`: whether the time of recovery says something: it does not where the next fault comes before all is well again.
    """

    def register(play: Play) -> Play:
        SCENARIOS[name] = Scenario(name, play, setup, limit, timed)
        return play

    return register


async def play(scene: Scenario, *, kills: int = 0) -> Result:
    """Play it on a rig of its own, and judge."""
    began = time.monotonic()
    async with Rig(**scene.setup) as rig:
        bench = Bench(rig, kills)
        try:
            async with asyncio.timeout(max(scene.limit, kills * 3.0)):
                await scene.play(bench)
        except TimeoutError:
            bench.findings.append(f"was not over after {scene.limit:g} s")
        except Exception:  # noqa: BLE001 (it belongs in the report, beside what the store says)
            bench.findings.append(traceback.format_exc(limit=-4))
        return await judge(scene, bench, seconds=time.monotonic() - began)


async def judge(scene: Scenario, bench: Bench, *, seconds: float) -> Result:
    """What store and ledger say about what was played."""
    tally = await verify(bench.rig, list(bench.accepted), quarantined=bench.quarantined)
    recovery = await measure(bench.rig, bench.faults, bench.accepted) if scene.timed else Recovery()
    if not tally.completed:
        bench.findings.append("no run was completed: nothing was tried")
    notes = {**bench.notes, **({"refused": bench.refused} if bench.refused else {})}
    return Result(scene.name, scene.what, round(seconds, 1), len(bench.faults), tally, recovery, notes, [*bench.findings, *tally.findings])
