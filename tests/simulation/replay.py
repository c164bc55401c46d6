"""One schedule again: told with its timeline, or with fewer faults until only those are left that matter."""

from dataclasses import replace

from tests.simulation.crowd import Totals
from tests.simulation.logs import aloud, quiet
from tests.simulation.schedule import Outcome, Schedule, play
from tests.simulation.world import World

MOST_TRIES = 300


def show(schedule: Schedule, *, logs: bool = False) -> int:
    """Print what happened, and what was violated; 1 when something was."""
    worlds: list[World] = []
    if logs:
        aloud(lambda line: worlds[0].note("", f"  log {line}", ""))
    outcome = play(schedule, keep_world=worlds.append)
    for line in timeline(worlds[0]):
        print(line)
    quiet()
    print(f"seed {schedule.seed}, sweep {schedule.sweep}: {outcome.steps} steps, {outcome.seconds:.1f} virtual seconds")
    print("faults: " + (", ".join(f"{number} {kind} ({where})" for number, _, kind, where in worlds[0].faults.fired) or "none"))
    if schedule.keep and (gone := schedule.keep.difference(outcome.numbers)):
        print(f"of the faults that were kept, {', '.join(map(str, sorted(gone)))} did not come to happen: this is another story by now")
    for violation in outcome.violations:
        print(f"VIOLATED: {violation}")
    return 1 if outcome.violations else 0


def timeline(world: World) -> list[str]:
    """Virtual time, process, what it did, and what went wrong with that."""
    return [f"{when:10.4f}  {who:<16} {what}" + (f"   ← {fault}" if fault else "") for when, who, what, fault in world.timeline]


def shrink(failed: Outcome) -> Outcome:
    """The same failure with as few faults as were found to be needed; printed as a line for regressions.py."""
    smallest, tries = failed, 0
    portion = max(1, len(failed.numbers) // 2)
    while portion and tries < MOST_TRIES:
        left = list(smallest.numbers)
        for at in range(0, len(left), portion):
            fewer = frozenset(left[:at] + left[at + portion :])
            tries += 1
            outcome = play(replace(failed.schedule, keep=fewer))
            if outcome.violations and len(outcome.numbers) < len(smallest.numbers):
                smallest = outcome
                break
        else:
            portion //= 2
    schedule = failed.schedule
    keep = ",".join(str(number) for number in sorted(smallest.numbers))
    print(f"shrunk: --seed {schedule.seed} --sweep {schedule.sweep} --keep '{keep}': {smallest.violations[0][:300]}", flush=True)
    return smallest


def sum_up(totals: Totals, seconds: float) -> None:
    """All that was seen, in figures."""
    each = 1_000 * totals.cpu / max(1, totals.schedules)
    faults = ", ".join(f"{kind} {number}" for kind, number in totals.faults.most_common()) or "none"
    share = 100 * totals.succeeded / max(1, totals.runs)
    print(f"{totals.schedules} schedules in {seconds / 60:.1f} minutes ({each:.1f} ms of one processor each), {totals.steps} steps, "
          f"{totals.virtual / 3600:.1f} virtual hours")  # fmt: skip
    print(f"{totals.faults.total()} faults: {faults}")
    print(f"{totals.runs} runs, {share:.1f} % of them completed; {len(totals.failed)} schedules violated something")
    for one in totals.failed[:50]:
        print(f"  --seed {one.schedule.seed} --sweep {one.schedule.sweep}: {one.violations[0][:300]}")
