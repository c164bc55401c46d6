"""`python -m tests.simulation`: many schedules, or one again with its timeline."""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import count

from tests.simulation.faults import Sweep
from tests.simulation.schedule import Outcome, Schedule

FIRST_SEED = 1
WORKLOAD = "workload" if find_spec("tests.simulation.invariants") else "walk"
REPORT_EVERY = 30.0


def main() -> int:
    """Exit status 1 when a schedule violated something."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]])  # noqa: S606 (the same program again)
    given = _given()
    sweeps: tuple[Sweep, ...] = ("on", "off") if given.sweep == "both" else (given.sweep,)
    from tests.simulation import crowd, replay  # noqa: PLC0415 (they import all services: not before the hash seed is set)

    crowd.warm_up(given.workload)
    keep = None if given.keep is None else frozenset(int(number) for number in given.keep.split(",") if number)
    if given.seed is not None:
        return max(replay.show(Schedule(given.seed, sweep, keep, given.workload, given.mute), logs=given.logs) for sweep in sweeps)
    totals, began, told = crowd.Totals(), time.monotonic(), time.monotonic()
    for outcomes, cpu in crowd.play_all(_schedules(given, sweeps, began), jobs=given.jobs):
        totals.add(outcomes, cpu)
        _cry(outcomes)
        if time.monotonic() - told > REPORT_EVERY:
            told = time.monotonic()
            print(f"… {totals.schedules} schedules, {len(totals.failed)} violated, {(told - began) / 60:.1f} minutes", flush=True)
    replay.sum_up(totals, time.monotonic() - began)
    if given.shrink:
        for outcome in totals.failed[: given.shrink]:
            replay.shrink(outcome)
    return 1 if totals.failed else 0


def _given() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--schedules", type=int, default=1_000, help="how many, in all")
    parser.add_argument("--minutes", type=float, help="stop after so long, however many those were")
    parser.add_argument("--first", type=int, default=FIRST_SEED, help="the first seed")
    parser.add_argument("--seed", type=int, help="replay this one, with its timeline")
    parser.add_argument("--keep", help="with --seed: the numbers of the faults to leave on, separated by commas; not given: all")
    parser.add_argument("--mute", default="", metavar="TYPE", help="with --seed: lose all messages of this type, to see that it is seen")
    parser.add_argument("--workload", default=WORKLOAD, help="module of tests/simulation that has live() and check()")
    parser.add_argument("--logs", action="store_true", help="with --seed: what the services log, too")
    parser.add_argument("--sweep", choices=("on", "off", "both"), default="both", help="with what the sweeps say again, or without it")
    parser.add_argument("--jobs", type=int, default=2, help="processes at once")
    parser.add_argument("--shrink", type=int, default=3, metavar="N", help="shrink the first N that violate something")
    return parser.parse_args()


def _schedules(given: argparse.Namespace, sweeps: tuple[Sweep, ...], began: float) -> Iterator[Schedule]:
    for number in range(given.schedules) if given.minutes is None else count():
        if given.minutes is not None and time.monotonic() - began > 60 * given.minutes:
            return
        yield Schedule(given.first + number // len(sweeps), sweeps[number % len(sweeps)], workload=given.workload)


def _cry(outcomes: list[Outcome]) -> None:
    for one in outcomes:
        if one.violations:
            schedule = one.schedule
            print(f"VIOLATED: --seed {schedule.seed} --sweep {schedule.sweep}: {one.violations[0][:300]}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
