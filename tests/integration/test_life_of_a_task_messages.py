"""How tasks live when messages come twice, or not at all: nothing is lost, and nothing is done twice."""

from collections import Counter
from collections.abc import Callable

import pytest

from tests.integration.chores import lines
from tests.integration.conftest import Open
from tests.integration.faults import losing, losing_firsts, twice
from tests.integration.house import Parts, data, hurrying, shell, work


class TestMessages:
    async def test_each_comes_twice(self, open_house: Open, trace: str) -> None:
        async with open_house(wrap=twice) as house:
            keys = [f"t{number}" for number in range(120)]
            fans = [work(key, call="note", args={"path": trace, "line": key}) for key in keys]
            group = {
                "key": "g",
                "title": "G",
                "subtasks": [shell("x", "echo x > x", checks=[{"kind": "file", "path": "x"}]), work("y", "x")],
            }
            flaky = work("f", call="flaky", args={"path": trace, "line": "f", "failures": 1})
            big = work("big", call="split", args={"subtasks": [work("p"), work("q", "p")]})
            asked = work("asked", call="fail", retries=0)
            run = await house.submit([*fans, group, flaky, big, asked, work("join", *keys, "g", "f", "big", "asked")])
            await house.decide(await house.when(run, "asked", "escalated"), "skip")
            assert await house.ended(run) == "completed", await house.report(run)
            assert Counter(lines(trace)) == Counter([*keys, "f", "f"])
            attempts = Counter(attempt["task_id"] for attempt in await house.docs("attempts", run_id=run))
            more = {key: attempts[task["_id"]] for key, task in (await house.tasks(run)).items() if attempts[task["_id"]] != 1}
            assert more == {"f": 2, "big": 2}
            await house.assert_sound(run)

    @pytest.mark.parametrize("wrap", [losing_firsts, losing(0.3, seed=1)], ids=["the first of each kind", "30 %"])
    async def test_some_are_lost(self, open_house: Open, trace: str, wrap: Callable[[Parts], Parts]) -> None:
        async with open_house(wrap=wrap) as house, hurrying(house):
            group = {
                "key": "g",
                "title": "G",
                "subtasks": [shell("x", "echo x > x", checks=[{"kind": "file", "path": "x"}]), work("y", "x")],
            }
            flaky = work("f", "g", call="flaky", args={"path": trace, "line": "f", "failures": 1}, checks=data(times={"const": 2}))
            big = work("big", "f", call="split", args={"subtasks": [work("p"), work("q", "p")]})
            run = await house.submit([group, flaky, big, work("asked", call="fail", retries=0), work("end", "big", "asked")])
            await house.decide(await house.when(run, "asked", "escalated", seconds=20), "skip")
            assert await house.ended(run, seconds=20) == "completed", await house.report(run)
            assert lines(trace) == ["f", "f"]
            await house.assert_sound(run)
