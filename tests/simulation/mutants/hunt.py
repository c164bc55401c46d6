"""Lives through schedules until one violates something; `tests.simulation.mutants` runs it in a copy of the tree with a mistake in it."""

import argparse
import json
import multiprocessing
import sys
from collections.abc import Iterator
from pathlib import Path

import services
from tests.simulation import crowd
from tests.simulation.schedule import Schedule, play
from tests.simulation.world import World

BATCH = 20


def main() -> int:
    """Prints what was found as JSON: seed and violation; `caught` is false when nothing was."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, required=True)
    parser.add_argument("--first", type=int, required=True)
    parser.add_argument("--sweep", choices=("on", "off"), required=True)
    parser.add_argument("--workload", required=True)
    given = parser.parse_args()
    if not Path(services.__path__[0]).is_relative_to(Path.cwd()):
        sys.exit(f"the services come from {services.__path__[0]}, not from here")
    try:
        crowd.warm_up(given.workload)
    except Exception as error:  # noqa: BLE001 (a mistake may break anything: that is to be caught as well)
        broken = f"{type(error).__name__}: {error}"
        print(json.dumps({"caught": True, "violation": broken, "seed": 0}))
        return 0
    seeds = range(given.first, given.first + given.schedules)
    with multiprocessing.get_context("fork").Pool(1, maxtasksperchild=1) as pool:
        for found in pool.imap(_some, _batches(seeds, given)):
            if found:
                print(json.dumps(found | {"caught": True}))
                return 0
    print(json.dumps({"caught": False}))
    return 0


def _batches(seeds: range, given: argparse.Namespace) -> Iterator[list[Schedule]]:
    for at in range(0, len(seeds), BATCH):
        yield [Schedule(seed, given.sweep, workload=given.workload) for seed in seeds[at : at + BATCH]]


def _some(batch: list[Schedule]) -> dict[str, object] | None:
    for schedule in batch:
        try:
            violations = play(schedule, keep_world=_graveyard.append).violations  # type: ignore[arg-type]
        except Exception as error:  # noqa: BLE001 (a mistake may break anything: that is to be caught as well)
            violations = [f"{type(error).__name__}: {error}"]
        if violations:
            return {"seed": schedule.seed, "violation": violations[0][:300]}
    return None


_graveyard: list[World] = []
"""Throwing a world away costs more than living in it."""


if __name__ == "__main__":
    sys.exit(main())
