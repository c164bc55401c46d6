"""One schedule from its seed to what can be said of it."""

import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from tests.simulation.faults import Sweep
from tests.simulation.loop import Stuck
from tests.simulation.world import Checks, Lives, NotOver, World


@dataclass(frozen=True)
class Schedule:
    """What decides everything that happens.

    `keep`: the faults that are left on, by number; None: all. `mute`: all messages of this type are lost.
    """

    seed: int
    sweep: Sweep
    keep: frozenset[int] | None = None
    workload: str = "workload"
    mute: str = ""


@dataclass
class Outcome:
    """What came of it."""

    schedule: Schedule
    steps: int = 0
    seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    numbers: tuple[int, ...] = ()
    runs: int = 0
    succeeded: int = 0
    violations: list[str] = field(default_factory=list)


def play(schedule: Schedule, *, keep_world: Callable[[World], object] = lambda _: None) -> Outcome:
    """Live through it, and ask the invariants."""
    live, check = parts(schedule.workload)
    world = World(schedule.seed, schedule.sweep, keep=schedule.keep)
    world.faults.mute = schedule.mute
    keep_world(world)
    violations: list[str] = []
    try:
        world.run(live)
        violations += check(world) or ()
    except (NotOver, Stuck, AssertionError) as error:
        violations.append(f"{type(error).__name__}: {error}")
    except Exception as error:  # noqa: BLE001 (one schedule that breaks its judge must not end all others)
        where = traceback.extract_tb(error.__traceback__)[-1]
        violations.append(f"it broke: {type(error).__name__}: {error} ({where.filename.rpartition('/')[2]}:{where.lineno})")
    violations += [f"{when:.4f} {who}: {what}" for when, who, what in world.errors]
    roots = [doc for doc in world.documents("tasks") if not doc.get("parent_id")]
    return Outcome(
        schedule,
        steps=world.loop.steps,
        seconds=world.loop.time(),
        faults=Counter(kind for _, _, kind, _ in world.faults.fired),
        numbers=tuple(world.faults.numbers()),
        runs=len([doc for doc in world.documents("submissions") if doc["kind"] == "submission"]),
        succeeded=sum(doc["phase"] == "completed" for doc in roots),
        violations=violations,
    )


def parts(workload: str) -> tuple[Lives, Checks]:
    """The workload, and the invariants that go with it: its own, or else the common ones."""
    module: Any = import_module(f"tests.simulation.{workload}")
    judge: Any = module if hasattr(module, "check") else import_module("tests.simulation.invariants")
    return module.live, judge.check
