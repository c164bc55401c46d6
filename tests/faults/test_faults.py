"""A short selection of the faults of processes, in every `make test`; all of them: `make faults`."""

import asyncio
from collections import deque

from tests.faults.bench import Bench
from tests.faults.rig import Rig
from tests.faults.scenarios_failpoints import Victim, die_at_all
from tests.faults.scenarios_processes import freeze_and_thaw, refused
from tests.faults.verify import verify

POINTS = {
    "planner-0": ["plans.insert.after"],
    "sequencer-0": ["tasks.insert.after", "tasks.bulk.after"],
    "executor-0": ["attempts.insert.after", "attempts.bulk.after"],
    "checker-0": ["verdicts.bulk.after", "task.verified.publish.after"],
    "approvals-0": ["submissions.insert.after"],
}
"""After a write, and before what follows from it is said or acked: there a mistake would show first."""


async def _assert_sound(bench: Bench) -> None:
    tally = await verify(bench.rig, list(bench.accepted))
    print(f"\n{len(bench.faults)} faults: {tally}")
    assert [*bench.findings, *tally.findings] == []
    assert tally.completed == len(bench.accepted) > 0


async def test_a_kill_of_each_service(rig: Rig) -> None:
    bench = Bench(rig)
    async with bench.load():
        for name in rig.services:
            bench.struck("kill", rig.kill(name))
            await rig.ready()
    await _assert_sound(bench)


async def test_death_at_the_points_that_matter_most(rig: Rig) -> None:
    bench = Bench(rig)
    victims = [Victim(name, deque(points)) for name, points in POINTS.items()]
    async with bench.load(lanes=3):
        await asyncio.gather(*(die_at_all(bench, victim, seconds=90) for victim in victims))
        await rig.ready()
    assert {victim.name: victim.missed for victim in victims if victim.missed} == {}
    await _assert_sound(bench)


async def test_what_a_zombie_brings_is_refused(rig: Rig) -> None:
    bench = Bench(rig)
    async with bench.load(lanes=3):
        await freeze_and_thaw(bench, "executor-0", rounds=1)
    assert await refused(bench, "executor-0") > 0
    await _assert_sound(bench)
