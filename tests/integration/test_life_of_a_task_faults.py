"""How tasks live while services die: nothing is lost, and nothing is adopted twice."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from shared.ending import end
from shared.ids import attempt_id
from tests.integration.chores import lines
from tests.integration.conftest import Open
from tests.integration.house import House, hurrying, shell, work

SHORT = {"TASKGROVE_EXECUTOR_LEASE_SECONDS": "1", "TASKGROVE_CHECKER_LEASE_SECONDS": "1"}


@pytest.fixture(scope="module")
async def house(open_house: Open) -> AsyncIterator[House]:
    """One whose leases are short: each test leaves it with all its services running."""
    async with open_house(**SHORT) as house:
        yield house


class TestCrashes:
    async def test_of_an_executor(self, house: House, trace: str) -> None:
        run = await house.submit([work("a", call="stall", args={"path": trace}), work("b", "a")])
        await house.until(lambda: _begun(trace))
        await house.kill("executor")
        await house.start("executor")
        assert await house.ended(run, seconds=8) == "completed", await house.report(run)
        states = {attempt["_id"]: attempt["state"] for attempt in await house.docs("attempts", run_id=run)}
        name = (await house.task(run, "a"))["_id"]
        assert (states[attempt_id(name, 1)], states[attempt_id(name, 2)]) == ("lost", "executed")
        await house.assert_sound(run)

    async def test_a_zombie_is_refused(self, house: House, trace: str) -> None:
        """The first executor hangs past its lease, and comes back when the second has done the work."""
        run = await house.submit([work("a", call="stall", args={"path": trace}), work("b", "a")])
        await house.until(lambda: _begun(trace))
        zombie = next(one for one in house.running if one.ground.name == "executor")
        await end(zombie.tasks)
        await zombie.consumer.drain(0)
        await house.start("executor")
        assert await house.ended(run, seconds=8) == "completed", await house.report(run)
        Path(trace).touch()
        first = attempt_id((await house.task(run, "a"))["_id"], 1)
        await house.until(lambda: _idle(zombie.service.deps.workers.running))
        assert [(doc["state"], doc.get("result")) for doc in await house.docs("attempts", _id=first)] == [("lost", None)]
        await house.kill("executor")
        await house.assert_sound(run)

    async def test_of_a_checker(self, house: House, tmp_path: Path) -> None:
        gate = tmp_path / "gate"
        slow = [{"kind": "command", "run": f"until test -e {gate}; do sleep 0.05; done"}]
        run = await house.submit([shell("a", "echo x > x", checks=slow)])
        await house.until(lambda: house.docs("verdicts", run_id=run, state="running"))
        await house.kill("checker")
        gate.touch()
        await house.start("checker")
        assert await house.ended(run, seconds=8) == "completed", await house.report(run)
        await house.assert_sound(run)

    async def test_of_the_sequencer_over_and_over(self, house: House, trace: str) -> None:
        group = {"key": "g", "title": "G", "subtasks": [work("x"), work("y", "x")]}
        keys = [f"t{number}" for number in range(40)]
        fans = [
            work(key, *([keys[at - 4]] if at > 3 else []), call="note", args={"path": trace, "line": key}) for at, key in enumerate(keys)
        ]
        run = await house.submit([*fans, group, work("join", *keys, "g")])
        async with hurrying(house):
            for _ in range(6):
                await asyncio.sleep(0.07)
                await house.kill("sequencer")
                await house.start("sequencer")
            assert await house.ended(run) == "completed", await house.report(run)
        assert Counter(lines(trace)) == Counter(keys)
        await house.assert_sound(run)


async def _begun(trace: str) -> Any:
    return lines(f"{trace}.begun")


async def _idle(running: dict[str, Any]) -> bool:
    return not running
