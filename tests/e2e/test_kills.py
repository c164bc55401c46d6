"""Whatever is killed in the middle of a run, the run ends verified, and nothing is done or counted twice."""

import time
from pathlib import Path

import pytest

from taskgrove.local.supervisor import SERVICES
from tests.e2e.grove import Grove, alive, processes, until
from tests.e2e.orchard import assert_whole, completed, orchard


async def begun(grove: Grove, ledger: Path, *, done: int) -> str:
    """A run of which at least so many tasks are done; its id."""
    async with grove.client() as client:
        run_id = (await client.submit(notes=[orchard(ledger)])).run_id

    async def far_enough() -> bool:
        return await completed(grove, run_id) >= done

    await until(far_enough, what=f"{done} tasks done")
    return run_id


@pytest.mark.parametrize("name", [*SERVICES, "mongod", "rabbitmq"])
async def test_a_run_survives_the_kill_of(grove: Grove, name: str, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    # All planning is done at the start of a run: the middle of it is where there is nothing yet.
    run_id = await begun(grove, ledger, done=0 if name == "planner" else 6)
    restarts, killed_at = grove.state.processes[name].restarts, time.monotonic()
    killed = grove.kill(name)

    async def is_back() -> bool:
        known = grove.state.processes[name]
        return known.pid != killed.pid and known.restarts > restarts and await grove.is_ready()

    await until(is_back, seconds=60, what=f"a new {name}")
    back = time.monotonic() - killed_at
    async with grove.client() as client:
        await client.wait(run_id, timeout=60)
    print(f"\n{name} killed: all ready again after {back:.1f} s, the run ended {time.monotonic() - killed_at:.1f} s after the kill")
    await assert_whole(grove, run_id, ledger)


async def test_a_run_survives_the_kill_of_everything(grove: Grove, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    run_id = await begun(grove, ledger, done=6)
    before = processes(grove.state)
    grove.kill_supervisor()
    start = time.monotonic()

    async def all_gone() -> bool:
        return alive(before) == []

    await until(all_gone, what="the end of all processes")
    print(f"\nthe supervisor killed: nothing is left after {time.monotonic() - start:.1f} s", end=", ")
    await grove.up()
    async with grove.client() as client:
        await client.wait(run_id, timeout=60)
    print(f"the run ended {time.monotonic() - start:.1f} s after the kill")
    await assert_whole(grove, run_id, ledger)
