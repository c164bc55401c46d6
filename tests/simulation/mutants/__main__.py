"""`python -m tests.simulation.mutants`: makes each mistake in a copy of the code, and lets the simulation look for it. Prints the score."""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.simulation.commands import ROOT, environment
from tests.simulation.mutants import MUTANTS, Mutant

COPIED = ("services", "shared", "taskgrove", "tests/simulation")
MOST_SCHEDULES = 3_000
LONGEST_HUNT = 900.0


@dataclass(frozen=True)
class Hunted:
    """What became of one mutant."""

    mutant: Mutant
    caught: bool
    words: str
    seconds: float


def main() -> int:
    """Exit status 1 when one survives."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.mutants", description=__doc__)
    parser.add_argument("--schedules", type=int, default=MOST_SCHEDULES, help="how many are tried for each, at most")
    parser.add_argument("--only", help="those whose name has this in it")
    parser.add_argument("--jobs", type=int, default=2, help="how many at once")
    given = parser.parse_args()
    chosen = [mutant for mutant in MUTANTS if given.only is None or given.only in mutant.name]
    survivors = hunt_all(chosen, schedules=given.schedules, jobs=given.jobs)
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} mutants were caught")
    return 1 if survivors else 0


def hunt_all(mutants: Sequence[Mutant], *, schedules: int = MOST_SCHEDULES, jobs: int = 2) -> list[Mutant]:
    """Those that survive; each is told of as soon as it is known."""
    survivors = []
    with tempfile.TemporaryDirectory(prefix="mutants-") as directory, ThreadPoolExecutor(jobs) as pool:
        sound = Path(directory).resolve() / "sound"
        for part in COPIED:
            shutil.copytree(ROOT / part, sound / part)
        for done in as_completed([pool.submit(hunt, mutant, sound, schedules=schedules) for mutant in mutants]):
            one = done.result()
            print(f"{'caught  ' if one.caught else 'SURVIVES'} {one.mutant.name}: {one.words} ({one.seconds:.0f} s)", flush=True)
            survivors += [] if one.caught else [one.mutant]
    return survivors


def hunt(mutant: Mutant, sound: Path, *, schedules: int) -> Hunted:
    """Copy the code, make the mistake, simulate until it is found. What the sound code does in the same schedule is nothing found."""
    began, first = time.monotonic(), 1
    with tempfile.TemporaryDirectory(prefix="mutant-", dir=sound.parent) as directory:
        tree = Path(directory)
        shutil.copytree(sound, tree, dirs_exist_ok=True)
        make(mutant, tree)
        while True:
            found = _searched(tree, mutant, first=first, schedules=schedules)
            if not found["caught"] or not _searched(sound, mutant, first=max(1, found["seed"]), schedules=1)["caught"]:
                break
            first = found["seed"] + 1
    words = f"no violation in {schedules} schedules or {LONGEST_HUNT:.0f} s"
    if found["caught"]:
        words = f"caught by {found['violation'][:160]} at seed {found['seed']} sweep {mutant.sweep} after {found['seed']} schedules"
    return Hunted(mutant, caught=found["caught"], words=words, seconds=time.monotonic() - began)


def _searched(tree: Path, mutant: Mutant, *, first: int, schedules: int) -> dict[str, Any]:
    arguments = ("--sweep", mutant.sweep, "--workload", mutant.workload, "--first", str(first), "--schedules", str(schedules))
    command = [sys.executable, "-m", "tests.simulation.mutants.hunt", *arguments]
    env = environment() | {"PYTHONHASHSEED": "0"}
    try:
        done = subprocess.run(command, cwd=tree, env=env, capture_output=True, text=True, timeout=LONGEST_HUNT, check=False)
    except subprocess.TimeoutExpired:
        return {"caught": False}
    if done.returncode:
        raise RuntimeError(f"{mutant.name}: it does not run: {done.stderr.strip()[-500:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def make(mutant: Mutant, tree: Path) -> None:
    """Make the mistake. Raises AssertionError where the code has gone on without the list."""
    path = tree / mutant.file
    text = path.read_text()
    assert text.count(mutant.old) == 1, f"{mutant.name}: its text is in {mutant.file} {text.count(mutant.old)} times"
    path.write_text(text.replace(mutant.old, mutant.new))


if __name__ == "__main__":
    sys.exit(main())
