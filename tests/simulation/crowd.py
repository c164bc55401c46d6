"""Many schedules on all cores: batches in forked processes that end without tidying up, because tidying up costs more than living."""

import gc
import multiprocessing
import os
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from tests.simulation.faults import Sweep
from tests.simulation.logs import quiet
from tests.simulation.schedule import Outcome, Schedule, play
from tests.simulation.world import World

BATCH = 20
SWEEPS: tuple[Sweep, ...] = ("on", "off")
SETTINGS = {
    "TASKGROVE_EXECUTOR_SANDBOX": "process",
    "TASKGROVE_CHECKER_SANDBOX": "process",
    "TASKGROVE_EXECUTOR_LEASE_SECONDS": "3",
    "TASKGROVE_CHECKER_LEASE_SECONDS": "3",
    "TASKGROVE_PLANNER_LEASE_SECONDS": "3",
    "TASKGROVE_EXECUTOR_CALLABLES": "tests.simulation.agent",
}


@dataclass
class Totals:
    """What was seen in all schedules together."""

    schedules: int = 0
    steps: int = 0
    virtual: float = 0.0
    cpu: float = 0.0
    runs: int = 0
    succeeded: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    failed: list[Outcome] = field(default_factory=list)

    def add(self, outcomes: Iterable[Outcome], cpu: float) -> None:
        """One batch more."""
        self.cpu += cpu
        for one in outcomes:
            self.schedules += 1
            self.steps += one.steps
            self.virtual += one.seconds
            self.runs += one.runs
            self.succeeded += one.succeeded
            self.faults += one.faults
            if one.violations:
                self.failed.append(one)


def warm_up(workload: str) -> None:
    """What all schedules share is built once, before the processes that live through them are forked."""
    os.environ.update(SETTINGS)
    warnings.simplefilter("ignore")
    sys.unraisablehook = lambda _: None  # what the tasks of dead processes still raise while they are thrown away
    quiet()
    for sweep in SWEEPS:
        play(Schedule(0, sweep, workload=workload))
    gc.collect()
    gc.freeze()
    gc.disable()


def play_all(schedules: Iterable[Schedule], *, jobs: int) -> Iterator[tuple[list[Outcome], float]]:
    """Each batch's outcomes, and the processor time it took. Call `warm_up` first."""
    with multiprocessing.get_context("fork").Pool(jobs, maxtasksperchild=1) as pool:
        yield from pool.imap_unordered(_batch, _batches(schedules))


def _batches(schedules: Iterable[Schedule]) -> Iterator[list[Schedule]]:
    left = iter(schedules)
    while batch := list(islice(left, BATCH)):
        yield batch


def _batch(schedules: list[Schedule]) -> tuple[list[Outcome], float]:
    began = time.process_time()
    kept: list[World] = []
    outcomes = [play(schedule, keep_world=kept.append) for schedule in schedules]
    _graveyard.extend(kept)
    return outcomes, time.process_time() - began


_graveyard: list[World] = []
