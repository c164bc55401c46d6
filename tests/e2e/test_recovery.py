"""How long a task stands still when the service that has it is killed: what was not acked goes on in seconds, a lease runs out first.

Each figure is from `kill -9` to the next progress of that task in the store. RECOVERY_TIMES=5 repeats each and prints them all.
"""

import asyncio
import os
import shutil
import signal
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from shared.contracts.phases import Action
from shared.contracts.plan import NotesFile, RunOptions
from taskgrove.local.home import throw_away_home
from taskgrove.scripted import Script, ScriptedModel, scripted
from tests.e2e.fleet import Fleet, Process, a_fleet
from tests.e2e.grove import until

TIMES = int(os.environ.get("RECOVERY_TIMES", "1"))
AT_ONCE = 3.0
"""Seconds after which what was not acked goes on, on a machine that has nothing else to do."""
LEASE, SWEEP = 5.0, 0.33
"""A third of the defaults, 15 s and 1 s."""
QUICK = "# Quick\n## One\n- agent: python\n- call: second_try\n- retries: 3\n"
SCRIPT = "# Slow\n## One\n\n```sh\nsleep 60\n```\n"
CHECK = "# Slow\n## One\n- check: sleep 60\n\n```sh\ntrue\n```\n"
THINK = "# Slow\nThink.\n"

Look = Callable[[Fleet, str], Awaitable[bool]]


@pytest.fixture(scope="module")
def model() -> Any:
    """A model that thinks for longer than anybody waits here."""
    with scripted(Script.model_validate({"rules": [{"answers": [{"text": "late", "delay": 60}]}]})) as model:
        yield model


@pytest.fixture
async def fleet(store_url: str, broker_url: str, store_name: str, model: ScriptedModel) -> AsyncIterator[Fleet]:
    """All five, one replica each."""
    directory = throw_away_home()
    leases = {f"TASKGROVE_{name}_LEASE_SECONDS": str(LEASE) for name in ("PLANNER", "EXECUTOR", "CHECKER")}
    settings = {**leases, "TASKGROVE_SWEEP_SECONDS": str(SWEEP), **model.environment}
    async with a_fleet(directory, store_url=store_url, broker_url=broker_url, store_name=store_name, **settings) as fleet:
        await fleet.start()
        yield fleet
    shutil.rmtree(directory, ignore_errors=True)


async def submitted(fleet: Fleet, notes: str, **options: Any) -> str:
    """A run; its id."""
    async with fleet.client() as client:
        return (await client.submit(notes=[NotesFile(name="notes.md", text=notes)], options=RunOptions(**options))).run_id


async def _none(fleet: Fleet, collection: str) -> bool:
    return not await has(fleet, collection, state="running")


async def has(fleet: Fleet, collection: str, **where: Any) -> bool:
    """Whether there is such a document."""
    return bool(await fleet.docs(collection, **where))


BEFORE: dict[str, Look] = {
    "planner": lambda fleet, run: has(fleet, "submissions", _id=run),
    "sequencer": lambda fleet, run: has(fleet, "plans", _id=f"{run}@1"),
    "executor": lambda fleet, run: has(fleet, "tasks", parent_id=run),
    "checker": lambda fleet, run: has(fleet, "attempts", run_id=run, state={"$ne": "running"}),
}
"""What has happened when the message is on its way to the service."""
AFTER: dict[str, Look] = {
    "planner": lambda fleet, run: has(fleet, "plans", _id=f"{run}@1"),
    "sequencer": lambda fleet, run: has(fleet, "tasks", parent_id=run),
    "executor": lambda fleet, run: has(fleet, "attempts", run_id=run),
    "checker": lambda fleet, run: has(fleet, "verdicts", run_id=run),
}
"""What the service then does."""
HELD = {
    "planner": ("plannings", THINK, {"planner": "model"}),
    "executor": ("attempts", SCRIPT, {}),
    "checker": ("verdicts", CHECK, {}),
}
"""Where the lease is, and the notes whose work takes long."""


async def killed(fleet: Fleet, victim: Process, *, replicas: int) -> float:
    """When. The last replica is started again after as long as the local runner waits on average."""
    victim.signal(signal.SIGKILL)
    at = time.monotonic()
    await victim.end(seconds=5)
    if replicas == 1:
        await asyncio.sleep(0.15)
        await fleet.spawn(victim.service)
    return at


async def measured(what: str, figure: Callable[[], Awaitable[float]]) -> list[float]:
    """As many as were asked for."""
    found = [await figure() for _ in range(TIMES)]
    print(f"\n{what}: {', '.join(f'{seconds:.2f}' for seconds in found)} s", end="")
    print(f" (median {statistics.median(found):.2f})" if TIMES > 1 else "", end="")
    return found


async def slowness() -> float:
    """How much slower than an idle machine this one is at the moment: a Python that loads a service takes 0.9 s there."""
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        *(os.sys.executable, "-c", "import services.executor.wiring, shared.messaging.rabbit, shared.storage.mongo"),
        cwd=Path(__file__).parents[2],
    )
    await process.wait()
    return max(1.0, (time.monotonic() - began) / 0.9)


@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize("service", BEFORE)
async def test_what_was_not_acked(fleet: Fleet, service: str, replicas: int) -> None:
    """It is stopped before the message comes, so that it has it and does nothing; then it dies."""

    async def figure() -> float:
        (victim,) = fleet.of(service)
        if replicas == 2:
            await fleet.ready(await fleet.spawn(service))
        victim.signal(signal.SIGSTOP)
        # Of several messages to two replicas the dead one has some.
        runs = [await submitted(fleet, QUICK) for _ in range(2 * replicas)]
        for run in runs:
            await until(lambda run=run: BEFORE[service](fleet, run), what=f"a message to the {service}")
        await asyncio.sleep(0.3)
        at = await killed(fleet, victim, replicas=replicas)
        for run in runs:
            await until(lambda run=run: AFTER[service](fleet, run), what=f"progress by the {service}")
        return time.monotonic() - at

    found = await measured(f"{service}, one of {replicas}, not acked", figure)
    assert max(found) < AT_ONCE * await slowness()


@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize("service", HELD)
async def test_what_was_acked_under_a_lease(fleet: Fleet, service: str, replicas: int) -> None:
    collection, notes, options = HELD[service]

    async def figure() -> float:
        (victim,) = fleet.of(service)
        run = await submitted(fleet, notes, **options)
        await until(lambda: has(fleet, collection, run_id=run, state="running"), what=f"work of the {service}")
        (held,) = await fleet.docs(collection, run_id=run, state="running")
        if replicas == 2:
            await fleet.ready(await fleet.spawn(service))
        at = await killed(fleet, victim, replicas=replicas)
        again = {"run_id": run, "state": "running", "owner": {"$nin": ["", held["owner"]]}}
        await until(lambda: has(fleet, collection, **again), what=f"another {service} at it")
        seconds = time.monotonic() - at
        # What sleeps on would hold the slots that the next figure needs.
        async with fleet.client() as client:
            await client.update(run, Action.CANCEL)
        await until(lambda: _none(fleet, "attempts"), what="the end of what sleeps")
        return seconds

    found = await measured(f"{service}, one of {replicas}, lease of {LEASE:g} s held", figure)
    assert max(found) < LEASE * await slowness()


async def test_what_is_said_to_a_dead_approvals_service(fleet: Fleet) -> None:
    """It holds no leases. A question that was asked while it was dead is in the inbox as soon as it is back."""
    notes = "# Ask\n## One\n- approval: before\n\n```sh\ntrue\n```\n"

    async def figure() -> float:
        (victim,) = fleet.of("approvals")
        (planner,) = fleet.of("planner")
        planner.signal(signal.SIGSTOP)
        run = await submitted(fleet, notes)
        victim.signal(signal.SIGSTOP)
        planner.signal(signal.SIGCONT)
        await until(lambda: has(fleet, "tasks", run_id=run, phase="awaiting_approval"), what="a question")
        await asyncio.sleep(0.3)
        at = await killed(fleet, victim, replicas=1)
        await until(lambda: has(fleet, "approvals", run_id=run), what="the question in the inbox")
        return time.monotonic() - at

    found = await measured("approvals, one of 1, not acked", figure)
    assert max(found) < AT_ONCE * await slowness()
