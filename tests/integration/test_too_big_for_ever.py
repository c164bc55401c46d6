"""A model that finds everything too big: broken down as often as is allowed, and then a failure that people can read."""

from typing import Any

from taskgrove.scripted import Script, scripted
from tests.integration.conftest import Open

MOST_SPLITS = 3
TOO_BIG = {"calls": [{"name": "too_big", "arguments": {"reason": "a whole project"}}]}
TRUSTED = {"TASKGROVE_MODEL_COMMANDS": "always"}  # the house has no walls, and this script is ours


def broken_down(level: int) -> dict[str, Any]:
    """What the planner makes of a task: a small one, and one more for the model that finds all too big."""
    rest = {"key": "rest", "title": f"Rest of level {level}", "agent": "shell", "script": "echo done > out.txt"}
    half = {"key": "half", "title": f"Half of level {level}", "agent": "model", "script": ""}
    check = {"kind": "file", "path": "out.txt", "value": ""}
    fields = {"description": "As told.", "after": [], "outputs": [], "checks": [check], "approval": "", "seconds": 1, "notes": []}
    return {"json": {"title": f"Level {level}", "tasks": [{**fields, **rest}, {**fields, **half}]}}


async def test_it_is_broken_down_to_the_cap_and_then_fails_where_people_see_it(open_house: Open) -> None:
    plans = {"when": {"schema": "plan"}, "answers": [broken_down(level) for level in range(1, 9)]}
    with scripted(Script.model_validate({"rules": [plans, {"when": {"tool": "done"}, "answers": [TOO_BIG]}]})) as model:
        async with open_house(**TRUSTED, **model.environment) as house:
            task = {"key": "a", "title": "All of it", "agent": "model", "inputs": {"instructions": "Write ten books."}, "checks": []}
            run = await house.submit([task])
            deepest = "/".join(["a", *["half"] * MOST_SPLITS])
            asked = await house.decide(await house.when(run, deepest, "escalated", seconds=40), "fail")
            assert "the model is stuck: 3 times in a row" in asked["question"]
            tasks = await house.tasks(run)
            assert max(key.count("/") for key in tasks) == MOST_SPLITS
            offered = [{tool["function"]["name"] for tool in one.body["tools"]} for one in model.received if "tools" in one.body]
            assert ["too_big" in names for names in offered[: MOST_SPLITS + 1]] == [*[True] * MOST_SPLITS, False]
            assert await house.ended(run) == "failed", await house.report(run)
            await house.assert_sound(run)
            assert (await house.task(run, "root"))["error"]["message"] == "not done below it: All of it (failed)"
