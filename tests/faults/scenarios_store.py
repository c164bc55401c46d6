"""Faults of MongoDB: elections, kills, a freeze, an outage of a minute, replies lost after the commit, a slow and a half-open network."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import psutil
from pymongo.errors import PyMongoError

from shared.contracts.plan import RunOptions
from shared.errors import TaskgroveError
from shared.ids import new_id
from tests.faults.bench import Bench, scenario
from tests.faults.replica_set import Member
from tests.faults.rig import Rig
from tests.faults.workload import Load

OUTAGE_SECONDS = 60.0
FROZEN_SECONDS = 15.0
MOST_CPU = 0.15
MOST_LINES = 10.0
"""What a service may use of one processor, and the lines it may log a second, while all of MongoDB is down: it waits, it does not spin."""

COMMANDS = ("insert", "update", "findAndModify", "delete", "find")


@scenario("store-step-down")
async def step_down(bench: Bench) -> None:
    """The primary is told to step down five times; what it was asked at that moment may or may not be done."""
    async with bench.load(lanes=3):
        for _ in range(5):
            await asyncio.sleep(2)
            primary = await bench.rig.store.primary()
            bench.struck(f"step-down of {primary.name}")
            await stepped_down(bench.rig, primary)
            await bench.rig.store.primary()
        await asyncio.sleep(3)


async def stepped_down(rig: Rig, primary: Member) -> None:
    """Ask for it; the connection may end with it."""
    async with rig.store.client(primary) as client:
        with suppress(PyMongoError):
            await client.admin.command("replSetStepDown", 5, secondaryCatchUpPeriodSecs=2, force=True)


@scenario("store-kill")
async def kill_primary(bench: Bench) -> None:
    """The primary is killed four times, and comes back after three seconds."""
    async with bench.load(lanes=3):
        for _ in range(4):
            await asyncio.sleep(2)
            primary = await bench.rig.store.primary()
            bench.struck(f"kill of {primary.name}")
            await killed(primary)
            await asyncio.sleep(3)
            await bench.rig.store.start_member(primary)
            await bench.rig.store.primary()
        await asyncio.sleep(3)


async def killed(member: Member) -> None:
    """End it as a crash would."""
    assert member.child, f"{member.name} was not started"
    os.kill(member.child.pid, signal.SIGKILL)
    await member.child.wait()


@scenario("store-freeze")
async def freeze_primary(bench: Bench) -> None:
    """The primary stands still for 15 s: another is elected, and the frozen one wakes up and still thinks that it is primary."""
    primary = await bench.rig.store.primary()
    assert primary.child, f"{primary.name} was not started"
    async with bench.load(lanes=3):
        await asyncio.sleep(2)
        began = time.time()
        os.kill(primary.child.pid, signal.SIGSTOP)
        await asyncio.sleep(FROZEN_SECONDS)
        os.kill(primary.child.pid, signal.SIGCONT)
        bench.struck(f"freeze of {primary.name}", began, end=time.time())
        await bench.rig.ready()
        await asyncio.sleep(3)


@scenario("store-down", limit=300)
async def store_down(bench: Bench) -> None:
    """All of MongoDB is killed and away for a minute. Clients submit all the while, and keep what was answered with success."""
    rig = bench.rig
    async with bench.load(lanes=0) as runs:
        clients = Clients(rig, runs)
        submitting = [asyncio.create_task(clients.submit()) for _ in range(4)]
        await asyncio.sleep(6)
        began = time.time()
        await asyncio.gather(*(killed(member) for member in rig.store.members))
        await asyncio.sleep(5)
        use = await used(rig, OUTAGE_SECONDS - 5)
        await asyncio.gather(*(rig.store.start_member(member) for member in rig.store.members))
        await rig.store.primary()
        bench.struck("MongoDB is down", began, end=time.time())
        await asyncio.sleep(8)
        clients.stopping = True
        await asyncio.gather(*submitting)
        await rig.ready()
    bench.notes |= {
        "submitted": clients.answered,
        "refused while it was down": clients.refused,
        "longest answer s": round(clients.longest, 1),
        **use,
    }
    bench.expect(clients.refused > 0, "clients are told that nothing is kept")
    for name, figures in use.items():
        bench.expect(figures["cpu"] < MOST_CPU, f"{name} waits, it does not spin: {figures['cpu']} of a processor")
        bench.expect(figures["lines"] < MOST_LINES, f"{name} says little: {figures['lines']} lines a second")


class Clients:
    """People who submit all the time, and note down what was promised to them."""

    def __init__(self, rig: Rig, runs: Load) -> None:
        self._rig = rig
        self._runs = runs
        self.answered = 0
        self.refused = 0
        self.longest = 0.0
        self.stopping = False

    async def submit(self) -> None:
        """One after another, without patience: an error is an answer too."""
        options = RunOptions(planner="import", inputs={"ledger": str(self._rig.ledger.path)})
        while not self.stopping:
            began = time.time()
            async with self._rig.client(patience=0) as client:
                try:
                    run = await client.submit(notes=[self._runs.make(self._rig)], options=options, idempotency_key=new_id())
                except (TaskgroveError, TimeoutError):
                    self.refused += 1
                else:
                    self.answered += 1
                    self._runs.accepted[run.run_id] = (began, time.time())
            self.longest = max(self.longest, time.time() - began)
            await asyncio.sleep(1)


async def used(rig: Rig, seconds: float) -> dict[str, dict[str, float]]:
    """Of each service: the share of a processor, and the lines logged a second, over so many seconds."""
    before = {name: _so_far(rig, name) for name in rig.services}
    began = time.monotonic()
    await asyncio.sleep(seconds)
    took = time.monotonic() - began
    after = {name: _so_far(rig, name) for name in rig.services}
    return {
        name: {"cpu": round((after[name][0] - cpu) / took, 3), "lines": round((after[name][1] - lines) / took, 1)}
        for name, (cpu, lines) in before.items()
    }


def _so_far(rig: Rig, name: str) -> tuple[float, int]:
    times = psutil.Process(rig.services[name].pid).cpu_times()
    return times.user + times.system, rig.log(name).count("\n")


@scenario("store-replies-lost", proxied=True)
async def replies_lost(bench: Bench) -> None:
    """MongoDB does what it was asked and the reply is lost with the connection: ten times for each of five commands."""
    rig = bench.rig
    async with bench.load(lanes=3):
        for command in COMMANDS * 10:
            await reply_lost(bench, command)
        await rig.proxy.clear()
        await asyncio.sleep(3)
    bench.notes["replies lost"] = len(bench.faults)
    bench.expect(len(bench.faults) >= 30, f"replies were lost: {len(bench.faults)}")


async def reply_lost(bench: Bench, command: str) -> None:
    """The next such command of any service is done, and its reply is lost; nobody may ask for it within two seconds."""
    rig = bench.rig
    name = (await rig.store.primary()).name
    before = await rig.proxy.lost(name)
    await rig.proxy.change(name, lose=1, match=f"\x02{command}\0")
    for _ in range(40):
        await asyncio.sleep(0.05)
        if await rig.proxy.lost(name) > before:
            bench.struck(f"reply to {command} lost")
            return


async def _weather(bench: Bench, what: str, seconds: float, change: Callable[[], Awaitable[None]]) -> None:
    async with bench.load(lanes=3):
        await asyncio.sleep(2)
        began = time.time()
        await change()
        await asyncio.sleep(seconds)
        await bench.rig.proxy.clear()
        bench.struck(what, began, end=time.time())
        await bench.rig.ready()
        await asyncio.sleep(3)


@scenario("store-latency", proxied=True)
async def latency(bench: Bench) -> None:
    """Each way to MongoDB and back takes 150 ms more for 20 s."""

    async def slow() -> None:
        for member in bench.rig.store.members:
            await bench.rig.proxy.change(member.name, latency=0.15)

    await _weather(bench, "latency of MongoDB", 20, slow)


@scenario("store-half-open", proxied=True)
async def half_open(bench: Bench) -> None:
    """What services and the primary say to each other is swallowed for 20 s, though the connections stay open."""

    async def swallow() -> None:
        await bench.rig.proxy.change((await bench.rig.store.primary()).name, swallow=True)

    await _weather(bench, "half-open connections to MongoDB", 20, swallow)


@scenario("store-cut", proxied=True)
async def cut(bench: Bench) -> None:
    """Services lose every connection to every member for 10 s, while MongoDB itself is well."""

    async def cut_off() -> None:
        for member in bench.rig.store.members:
            await bench.rig.proxy.change(member.name, cut=True)

    await _weather(bench, "services cut off from MongoDB", 10, cut_off)
