"""The faults that come by themselves, each at its time: processes that end or stand still, parts that go away, clocks that jump."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.simulation.world import SERVICES, Process, World


@dataclass(frozen=True)
class Blow:
    """Whom it hits, where in a range from 0 to 1 the choice falls that is left, and for how long."""

    world: World
    process: Process
    place: float
    seconds: float


class Misfortune:
    """All of them, at their times; then everything is mended."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._enough = asyncio.Event()

    def end(self) -> None:
        """Nothing more."""
        self._enough.set()

    async def befall(self) -> None:
        """Returns when the world is whole again."""
        world, tasks = self._world, []
        for when, kind in [*world.faults.in_time, (world.faults.seconds, "")]:
            try:
                await asyncio.wait_for(self._enough.wait(), max(0.0, when - world.loop.time()))
                break
            except TimeoutError:
                tasks += [asyncio.create_task(_one(world, kind))] if kind else []
        world.faults.over = True
        await asyncio.gather(*tasks)
        world.note("world", "nothing goes wrong any more", "")
        world.settled.set()


async def _one(world: World, kind: str) -> None:
    draw = world.faults.random
    service, place, seconds = draw.choice(SERVICES), draw.random(), draw.uniform(0.2, 8.0)
    if world.sweep == "off" and kind == "crash":
        service = "sequencer"
    able = world.living(service)
    if able and world.faults.happens(kind, service, world.loop.time()):
        await BLOWS[kind](Blow(world, able[int(place * len(able))], place, seconds))


async def _crash(blow: Blow) -> None:
    blow.world.crash(blow.process, why="at some time")


async def _crash_all(blow: Blow) -> None:
    for one in blow.world.living(blow.process.service):
        blow.world.crash(one, why="all of its service do", away=blow.seconds)


async def _terminate(blow: Blow) -> None:
    await blow.world.terminate(blow.process)


async def _pause(blow: Blow) -> None:
    """SIGSTOP, and SIGCONT later: by then its leases may be somebody else's, and the broker may have given it up."""
    world, process = blow.world, blow.process
    if process.paused:
        return
    world.note(process.name, f"stands still for {blow.seconds:.1f} s", "pause")
    world.loop.pause(process)
    await asyncio.sleep(blow.seconds)
    if process.dead:
        return
    if blow.seconds > 5.0:
        process.broker.cut()
    world.note(process.name, "goes on", "pause")
    world.loop.resume(process)


async def _pause_all(blow: Blow) -> None:
    """The whole machine, as when it is moved; the far ends go on."""
    world, stopped = blow.world, [one for one in blow.world.processes if not one.paused]
    world.note("world", f"all stand still for {blow.seconds:.1f} s", "all stand still")
    for one in stopped:
        world.loop.pause(one)
    await asyncio.sleep(blow.seconds)
    for one in stopped:
        if not one.dead:
            world.loop.resume(one)


async def _cut_off(blow: Blow) -> None:
    """This process alone does not reach the store, and all others do."""
    blow.world.note(blow.process.name, f"does not reach the store for {blow.seconds:.1f} s", "cut off")
    blow.process.cut_off = True
    await asyncio.sleep(blow.seconds)
    blow.process.cut_off = False


async def _lose_connection(blow: Blow) -> None:
    blow.world.note(blow.process.name, "loses its connection", "connection lost")
    blow.process.broker.cut(both=blow.world.sweep == "on" and blow.place < 0.5)


async def _jump(blow: Blow) -> None:
    blow.world.note("store", f"its clock jumps by {blow.seconds - 4.0:.1f} s", "clock jump")
    blow.world.server_jump += blow.seconds - 4.0


async def _store_away(blow: Blow) -> None:
    blow.world.note("store", f"is away for {blow.seconds:.1f} s", "store away")
    blow.world.store_away += 1
    await asyncio.sleep(blow.seconds)
    blow.world.store_away -= 1


async def _broker_away(blow: Blow) -> None:
    blow.world.note("broker", f"is away for {blow.seconds:.1f} s", "broker away")
    blow.world.broker_away += 1
    blow.world.cut_all()
    await asyncio.sleep(blow.seconds)
    blow.world.broker_away -= 1


async def _wipe(blow: Blow) -> None:
    blow.world.note("broker", "forgets everything", "broker wiped")
    blow.world.wipe()


BLOWS: dict[str, Callable[[Blow], Awaitable[None]]] = {
    "crash": _crash,
    "pause": _pause,
    "terminate": _terminate,
    "store away": _store_away,
    "broker away": _broker_away,
    "broker wiped": _wipe,
    "connection lost": _lose_connection,
    "all of a service": _crash_all,
    "clock jump": _jump,
    "all stand still": _pause_all,
    "cut off": _cut_off,
}
