"""All that is asked, taken in turn, round by round."""

import os
import shutil
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.figures import Taken
from benchmarks.machine import Machine, Weather, describe
from benchmarks.plans import chain, fan
from benchmarks.question import Question, Skipped
from benchmarks.runs import run_plan
from benchmarks.sizes import Sizes
from benchmarks.stack import Bench, started
from shared.errors import TaskgroveError

WARM_FAN, WARM_CHAIN = 100, 10


@dataclass(slots=True)
class Session:
    """One measurement: what was taken, how much other programs disturbed it, and why some of it was not taken."""

    sizes: Sizes
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    machine: Machine | None = None
    readings: dict[str, dict[str, list[float]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    others: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    skipped: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def taken(self) -> Taken:
        """The rounds of those questions that none of theirs failed."""
        whole = {name: readings for name, readings in self.readings.items() if name not in self.failed}
        return {name: {reading: tuple(values) for reading, values in readings.items()} for name, readings in whole.items()}


async def take(questions: Sequence[Question], sizes: Sizes, root: Path) -> Session:
    """Those that are taken side by side in turn on one Taskgrove; each round of the others on one of its own."""
    session = Session(sizes)
    if beside := [question for question in questions if question.side_by_side]:
        async with started(root / "beside") as bench:
            await _prepare(bench, session)
            for number in range(sizes.rounds):
                for question in beside:
                    await _round(question, bench, session, number=number)
    for question in questions:
        for number in range(0 if question.side_by_side else sizes.rounds):
            if question.name not in session.skipped | session.failed:
                await _alone(question, root / f"{question.name}-{number}", session, number=number)
    return session


async def _alone(question: Question, home: Path, session: Session, *, number: int) -> None:
    """A round on a Taskgrove that has done nothing before, and goes afterwards."""
    try:
        async with started(home, question.settings) as bench:
            await _prepare(bench, session)
            await _round(question, bench, session, number=number)
    except (TaskgroveError, TimeoutError) as error:
        session.failed[question.name] = f"{type(error).__name__}: {error}"
    shutil.rmtree(home, ignore_errors=True)


async def _prepare(bench: Bench, session: Session) -> None:
    """An uncounted warm-up."""
    session.machine = session.machine or await describe(bench)
    await run_plan(bench, fan(WARM_FAN))
    await run_plan(bench, chain(WARM_CHAIN))


async def _round(question: Question, bench: Bench, session: Session, *, number: int) -> None:
    """One round, told at once: all of them together take long. What was not sound gives no figure."""
    if question.name in session.skipped | session.failed:
        return
    print(f"{question.name}, round {number + 1} of {session.sizes.rounds}, load average {os.getloadavg()[0]:.1f}", flush=True)
    weather = Weather()
    try:
        readings = await question.measure(bench, session.sizes)
    except Skipped as reason:
        session.skipped[question.name] = str(reason)
        print(f"  not measured: {reason}", flush=True)
        return
    except Exception as error:  # noqa: BLE001 (whatever it is, it must not cost the figures of the other questions)
        session.failed[question.name] = f"{type(error).__name__}: {error}"
        print(f"  no figure: {session.failed[question.name]}", flush=True)
        return
    session.others[question.name].append(weather.others())
    for name, value in readings.items():
        session.readings[question.name][name].append(value)
        print(f"  {name}: {value:.2f}", flush=True)
    print(f"  other programs took {session.others[question.name][-1]:.0f} % of the machine", flush=True)
