"""The faults that come by themselves, at their times: processes that end or stand still, broker and store that go away, clocks that jump."""

import asyncio

from tests.simulation.world import Process, World


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
    service, place, seconds = draw.choice(SERVICES_HIT), draw.random(), draw.uniform(0.2, 8.0)
    if world.sweep == "off" and kind == "crash":
        service = "sequencer"
    able = world.living(service)
    if not able or not world.faults.happens(kind, service, world.loop.time()):
        return
    process = able[int(place * len(able))]
    match kind:
        case "crash":
            world.crash(process, why="at some time")
        case "all of a service":
            for one in able:
                world.crash(one, why="all of it", away=seconds)
        case "terminate":
            await world.terminate(process)
        case "pause":
            await _paused(world, process, seconds=seconds)
        case "connection lost":
            world.note(process.name, "loses its connection", kind)
            process.broker.cut(both=world.sweep == "on" and place < 0.5)
        case "clock jump":
            world.note("store", f"its clock jumps by {seconds - 4:.1f} s", kind)
            world.server_jump += seconds - 4.0
        case _:
            await _parts(world, kind, seconds=seconds)


async def _paused(world: World, process: Process, *, seconds: float) -> None:
    """SIGSTOP, and SIGCONT later: by then its leases may be somebody else's."""
    world.note(process.name, f"stands still for {seconds:.1f} s", "pause")
    world.loop.pause(process)
    await asyncio.sleep(seconds)
    if not process.dead:
        if seconds > 5.0:
            process.broker.cut()
        world.note(process.name, "goes on", "pause")
        world.loop.resume(process)


async def _parts(world: World, kind: str, *, seconds: float) -> None:
    world.note("world", f"{kind} for {seconds:.1f} s", kind)
    match kind:
        case "store away":
            world.store_away = True
            await asyncio.sleep(seconds)
            world.store_away = False
        case "broker away":
            world.broker_away = True
            world.cut_all()
            await asyncio.sleep(seconds)
            world.broker_away = False
        case "broker wiped":
            world.wipe()


SERVICES_HIT = ("planner", "sequencer", "executor", "checker", "approvals")
