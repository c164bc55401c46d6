"""Where the sandbox has no walls, what a language model decided is not executed: a person is asked, and what people wrote runs."""

from pathlib import Path
from typing import Any

from taskgrove.scripted import Script, scripted
from tests.integration.conftest import Open
from tests.integration.house import shell


def step(key: str, script: str, *, check: dict[str, Any], after: tuple[str, ...] = ()) -> dict[str, Any]:
    """A task as the planning model says it."""
    task = {"key": key, "title": f"Do {key}", "description": "As told.", "agent": "shell", "script": script, "after": list(after)}
    return {**task, "outputs": [], "checks": [check], "approval": "", "seconds": 1, "notes": []}


def plans(*tasks: dict[str, Any]) -> dict[str, Any]:
    return {"when": {"schema": "plan"}, "answers": [{"json": {"title": "All of it", "tasks": tasks}}]}


async def test_a_script_that_a_model_planned_is_not_run(open_house: Open, tmp_path: Path) -> None:
    """Neither at first, nor in the plan for a task that a person wrote and that failed; the person's own tasks run."""
    file = {"kind": "file", "path": "out.txt", "value": ""}
    with scripted(Script.model_validate({"rules": [plans(step("leak", f"touch {tmp_path}/ran", check=file))]})) as model:
        async with open_house(**model.environment) as house:
            answer = await house.http.post("/tasks", json={"description": "Do it.", "options": {"planner": "model"}})
            run = str(answer.json()["taskId"])
            task = await house.when(run, "leak", "escalated")
            assert (task["by_model"], task["attempts"], task["error"]["code"]) == (True, 1, "no_walls")
            asked = await house.decide(task, "skip")
            assert "was not run" in asked["question"]
            assert "TASKGROVE_MODEL_COMMANDS=always" in asked["question"]
            assert await house.ended(run) == "completed", await house.report(run)

            mine = await house.submit([shell("a", f"touch {tmp_path}/mine; exit 3", retries=0)])
            task = await house.when(mine, "a/leak", "escalated")
            assert task["error"]["code"] == "no_walls"
            assert "by_model" not in await house.task(mine, "a")
            await house.decide(task, "skip")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert len(model.received) == 2, "no other plan was paid for"


async def test_a_command_that_a_model_wants_to_check_with_is_not_run(open_house: Open, tmp_path: Path) -> None:
    check = {"kind": "command", "path": "", "value": f"touch {tmp_path}/ran"}
    task = {**step("write", "", check=check), "agent": "model"}
    write = {"calls": [{"name": "write_file", "arguments": {"path": "out.txt", "content": "x"}}]}
    done = {"calls": [{"name": "done", "arguments": {"summary": "wrote it"}}]}
    agent = {"when": {"tool": "done"}, "turns": [write, done]}
    with scripted(Script.model_validate({"rules": [plans(task), agent]})) as model:
        async with open_house(**model.environment) as house:
            answer = await house.http.post("/tasks", json={"description": "Do it.", "options": {"planner": "model"}})
            run = str(answer.json()["taskId"])
            asked = await house.decide(await house.when(run, "write", "escalated"), "skip")
            assert "was not judged: the work is there" in asked["question"]
            assert "TASKGROVE_MODEL_COMMANDS=always" in asked["question"]
            assert await house.ended(run) == "completed", await house.report(run)
        offered = [one.body["tools"] for one in model.received if "tools" in one.body]
    assert offered
    assert "run_command" not in str(offered)
    assert list(tmp_path.iterdir()) == []
