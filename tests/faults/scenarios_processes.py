"""Faults of the services' own processes."""

import asyncio
import random
import time
from functools import partial

from taskgrove.local.supervisor import SERVICES
from tests.e2e.grove import until
from tests.faults.bench import Bench, scenario
from tests.faults.rig import LEASE, READY_SECONDS, Rig
from tests.faults.workload import fan, grove

KILLS = 25
DOWN_SECONDS = 30.0
PAST_LEASE = LEASE + 2.0
WIDTH = 10_000


@scenario("kill-each")
async def kill_each(bench: Bench) -> None:
    """Each service is killed in turn, three times, and is back before the next."""
    async with bench.load(lanes=4):
        for name in [*bench.rig.services] * 3:
            bench.struck("kill", bench.rig.kill(name), service=name.rpartition("-")[0])
            await bench.rig.ready()


@scenario("kill-random", replicas=dict.fromkeys(SERVICES, 2), limit=300)
async def kill_random(bench: Bench) -> None:
    """Two of each service; any of the ten is killed every 0.3 to 2 s, whatever else is down at that moment. KILLS says how often."""
    dice = random.Random(4)  # noqa: S311 (the same order every time)
    left = bench.kills or KILLS
    async with bench.load(lanes=3, patience=READY_SECONDS):
        while left:
            name = dice.choice([*bench.rig.services])
            if bench.rig.services[name].running:
                bench.struck("kill", bench.rig.kill(name), service=name.rpartition("-")[0])
                left -= 1
            await asyncio.sleep(dice.uniform(0.3, 2.0))
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


@scenario("freeze-executor", replicas={"executor": 2}, limit=120)
async def freeze_executor(bench: Bench) -> None:
    """An executor is frozen past its leases and goes on: what it then brings is refused."""
    async with bench.load(lanes=3, make=partial(grove, seconds=0.5)):
        await freeze_and_thaw(bench, "executor-0", rounds=3)
    bench.notes["results of the zombie refused"] = count = await refused(bench, "executor-0")
    bench.expect(count > 0, "the zombie brought a result of which the store knows nothing")


async def freeze_and_thaw(bench: Bench, name: str, *, rounds: int) -> None:
    """While it has work under way, past the lease."""
    rig, pid = bench.rig, bench.rig.services[name].pid
    for _ in range(rounds):
        await until(lambda: _holds(rig, pid), what=f"work under way in {name}")
        began = time.time()
        rig.freeze(name)
        await asyncio.sleep(PAST_LEASE)
        rig.thaw(name)
        bench.struck("freeze", began, end=time.time(), service="executor")
        await asyncio.sleep(2)


async def refused(bench: Bench, name: str) -> int:
    """Results that this process brought, by its own metric in this life, less those that the store took from it."""
    rig = bench.rig
    brought = await rig.metric(name, "taskgrove_attempts_total")
    owned = {doc["owner"] for doc in await rig.docs("attempts", _id={"$in": _mine(rig, rig.services[name].pid)})}
    bench.expect(len(owned) == 1, f"a process is one owner of leases: {owned}")
    return int(brought) - len(await rig.docs("attempts", owner={"$in": list(owned)}, state={"$nin": ["lost", "running"]}))


def _mine(rig: Rig, pid: int) -> list[str]:
    return [effect.attempt_id for effect in rig.ledger.effects() if effect.pid == pid]


async def _holds(rig: Rig, pid: int) -> bool:
    """Whether this process has attempts under way."""
    return bool(await rig.docs("attempts", _id={"$in": _mine(rig, pid)[-50:]}, state="running"))


@scenario("freeze-others", replicas=dict.fromkeys(SERVICES, 2))
async def freeze_others(bench: Bench) -> None:
    """One of two planners, sequencers, checkers and approvals services is frozen past every lease, and goes on."""
    async with bench.load(lanes=3):
        for service in ("planner", "sequencer", "checker", "approvals"):
            name, began = f"{service}-1", time.time()
            bench.rig.freeze(name)
            await asyncio.sleep(PAST_LEASE)
            bench.rig.thaw(name)
            bench.struck("freeze", began, end=time.time(), service=service)
            await asyncio.sleep(2)


@scenario("freeze-all")
async def freeze_all(bench: Bench) -> None:
    """All services stop at once for twice a lease and go on, as when a machine is suspended."""
    async with bench.load(lanes=3):
        await asyncio.sleep(2)
        began = time.time()
        for name in bench.rig.services:
            bench.rig.freeze(name)
        await asyncio.sleep(2 * LEASE)
        for name in bench.rig.services:
            bench.rig.thaw(name)
        bench.struck("freeze all", began, end=time.time())
        await asyncio.sleep(3)


@scenario("rolling-restart", replicas=dict.fromkeys(SERVICES, 2))
async def rolling_restart(bench: Bench) -> None:
    """SIGTERM to each of ten replicas in turn under load: each hands back what it holds and ends with status 0; no lease expires."""
    rig = bench.rig
    async with bench.load(lanes=3):
        for name in [*rig.services]:
            pid = rig.services[name].pid
            bench.struck("SIGTERM", rig.terminate(name), service=name.rpartition("-")[0])
            await until(lambda pid=pid: _is_dead(rig, pid), what=f"the end of {name}")  # type: ignore[misc]
            await rig.ready()
    runs = {"run_id": {"$in": list(bench.accepted)}}
    lost = await rig.docs("attempts", **runs, state="lost")
    bench.notes["leases expired"] = len(lost)
    bench.notes["handed back"] = len(await rig.docs("attempts", **runs, state="released"))
    bench.expect(not lost, f"no lease of an attempt expires: {[doc['_id'] for doc in lost][:5]}")
    statuses = {f"{death.name} {death.status}" for death in rig.deaths if death.status}
    bench.expect(not statuses, f"all end with status 0: {statuses}")


async def _is_dead(rig: Rig, pid: int) -> bool:
    return any(death.pid == pid for death in rig.deaths)


@scenario("fan-in", replicas=dict.fromkeys(SERVICES, 2), limit=900)
async def fan_in(bench: Bench) -> None:
    """10 000 tasks side by side and one that waits for all of them, while a service is killed every two to four seconds."""
    dice, rig = random.Random(10_000), bench.rig  # noqa: S311 (the same order every time)
    async with bench.load(lanes=0, make=partial(fan, width=WIDTH), patience=600) as runs:
        run_id = await runs.submit()
        while run_id and not await rig.is_over(run_id):
            await asyncio.sleep(dice.uniform(2, 4))
            if (kept := rig.services[dice.choice([*rig.services])]).running:
                bench.struck("kill", rig.kill(kept.name), service=kept.name.rpartition("-")[0])
    bench.notes["width"] = WIDTH
