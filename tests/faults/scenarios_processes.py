"""Faults of the services' own processes."""

import asyncio
import random
import time

from taskgrove.local.supervisor import SERVICES
from tests.faults.bench import Bench, scenario
from tests.faults.rig import READY_SECONDS

KILLS = 25
DOWN_SECONDS = 30.0


@scenario("kill-each")
async def kill_each(bench: Bench) -> None:
    """Each service is killed in turn, three times, and is back before the next."""
    async with bench.load(lanes=4):
        for name in [*bench.rig.services] * 3:
            bench.struck("kill", bench.rig.kill(name), service=name.rpartition("-")[0])
            await bench.rig.ready()


@scenario("kill-random", replicas=dict.fromkeys(SERVICES, 2), limit=300)
async def kill_random(bench: Bench) -> None:
    """Two of each service; any of the ten is killed every 0.2 to 1.5 s, whatever else is down at that moment. KILLS says how often."""
    dice = random.Random(4)  # noqa: S311 (the same order every time)
    left = bench.kills or KILLS
    async with bench.load(lanes=3, patience=READY_SECONDS):
        while left:
            name = dice.choice([*bench.rig.services])
            if bench.rig.services[name].running:
                bench.struck("kill", bench.rig.kill(name), service=name.rpartition("-")[0])
                left -= 1
            await asyncio.sleep(dice.uniform(0.2, 1.5))
        await bench.rig.ready()


async def _all_down(bench: Bench, service: str) -> None:
    names = bench.rig.names(service)
    async with bench.load():
        await asyncio.sleep(2)
        for name in names:
            bench.rig.hold(name)
            bench.rig.kill(name)
        began = time.time()
        await asyncio.sleep(DOWN_SECONDS)
        for name in names:
            bench.rig.release(name)
        bench.struck("all down", began, end=time.time(), service=service)
        await bench.rig.ready()
        await asyncio.sleep(3)


def _register_all_down() -> None:
    for service in SERVICES:

        async def play(bench: Bench, service: str = service) -> None:
            await _all_down(bench, service)

        play.__doc__ = f"All replicas of the {service} are down for {DOWN_SECONDS:g} s while runs are submitted and go on."
        scenario(f"down-{service}", replicas={service: 2})(play)


_register_all_down()
