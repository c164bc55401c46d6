"""What is over is done again from some task on: what comes after it as well, and nothing else."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

from shared.contracts.approvals import TaskControl
from shared.contracts.phases import Action
from tests.integration.chores import lines
from tests.integration.house import House, data, work

DATA: dict[str, Any] = {"properties": {"data": {"type": "object"}}}


def noted(trace: str, key: str, *after: str, **fields: Any) -> dict[str, Any]:
    """A task that notes that it was done."""
    return work(key, *after, call="note", args={"path": trace, "line": key}, **fields)


async def ids(house: House, run: str) -> dict[str, str]:
    return {key: str(task["_id"]) for key, task in (await house.tasks(run)).items()}


async def test_all_that_comes_after_it_and_nothing_else(house: House, trace: str) -> None:
    group = {"key": "g", "title": "G", "after": ["b"], "subtasks": [noted(trace, "x"), noted(trace, "y", "x")]}
    wide = [noted(trace, f"w{number}") for number in range(101)]
    join = noted(trace, "join", "g", *(one["key"] for one in wide))
    seen = work("last", "g", call="see", checks=data(g=DATA))
    run = await house.submit([noted(trace, "a"), noted(trace, "b", "a"), group, *wide, join, seen])
    assert await house.ended(run) == "completed", await house.report(run)
    before = await house.docs("attempts", run_id=run)
    named = await ids(house, run)
    preview = (await house.http.get(f"/tasks/{named['b']}/rerun")).json()
    assert (preview["again"], preview["joined"], preview["kept"]) == (6, 1, 102)
    await house.rerun(named["b"])
    assert await house.ended(run) == "completed", await house.report(run)
    await house.assert_sound(run)
    assert Counter(lines(trace)) == Counter({"a": 1, "b": 2, "x": 2, "y": 2, "join": 2} | {one["key"]: 1 for one in wide})
    after = {doc["_id"]: doc for doc in await house.docs("attempts", run_id=run)}
    assert all(after[doc["_id"]] == doc for doc in before), "what was done before stays in the history"
    assert (await house.docs("attempts", _id=f"{named['b']}:1"))[0]["result"]["data"] == {"times": 1}
    feed = await house.until(lambda: house.docs("feed", run_id=run, event="task.reopened"))
    assert {name for doc in feed for name in doc["data"]["tasks"]} >= {run, named["b"], named["g"], named["g/x"]}


async def test_of_a_task_far_down_joins_all_around_it_again(house: House, trace: str) -> None:
    inner = {"key": "h", "title": "H", "subtasks": [noted(trace, "x"), noted(trace, "y")]}
    group = {"key": "g", "title": "G", "subtasks": [inner, noted(trace, "z", "h"), noted(trace, "k")]}
    run = await house.submit([group, noted(trace, "later", "g"), noted(trace, "beside")])
    assert await house.ended(run) == "completed"
    await house.rerun((await ids(house, run))["g/h/x"])
    assert await house.ended(run) == "completed", await house.report(run)
    await house.assert_sound(run)
    assert Counter(lines(trace)) == Counter({"x": 2, "y": 1, "z": 2, "k": 1, "later": 2, "beside": 1})


async def test_of_a_whole_run(house: House, trace: str) -> None:
    run = await house.submit([noted(trace, "a"), {"key": "g", "title": "G", "after": ["a"], "subtasks": [noted(trace, "x")]}])
    assert await house.ended(run) == "completed"
    await house.rerun(run)
    assert await house.ended(run) == "completed", await house.report(run)
    assert Counter(lines(trace)) == Counter({"a": 2, "x": 2})
    await house.assert_sound(run)


async def test_while_what_comes_after_it_runs(house: House, trace: str) -> None:
    """Its attempt ends, and what it may still say is refused."""
    run = await house.submit([noted(trace, "a"), work("b", "a", call="hold", args={"path": f"{trace}.gate"}), noted(trace, "c", "b")])
    await house.until(lambda: _begun(trace))
    named = await ids(house, run)
    await house.rerun(named["a"])
    await house.when(run, "a", "completed")
    await house.until(lambda: _begun(trace, times=2))
    await house.until(lambda: house.docs("attempts", task_id=named["b"], state="cancelled"))
    Path(f"{trace}.gate").touch()
    assert await house.ended(run) == "completed", await house.report(run)
    await house.assert_sound(run)
    states = [doc["state"] for doc in await house.docs("attempts", task_id=named["b"])]
    assert (states[0], states[-1]) == ("cancelled", "executed")
    assert Counter(lines(trace)) == Counter({"a": 2, "c": 1})


async def test_who_was_asked_is_asked_again(house: House, trace: str) -> None:
    tasks = [noted(trace, "a"), noted(trace, "b", "a", checkpoint={"when": "before"}), noted(trace, "c", "b", checkpoint={"when": "after"})]
    run = await house.submit(tasks)
    first = await house.when(run, "b", "awaiting_approval")
    await house.decide(first, "approve")
    await house.decide(await house.when(run, "c", "awaiting_approval"), "approve")
    assert await house.ended(run) == "completed"
    await house.rerun(first["parent_id"] + ".1")
    again = await house.when(run, "b", "awaiting_approval")
    assert again["approval_id"] != first["approval_id"]
    await house.rerun(again["parent_id"] + ".1")
    asked = await house.until(lambda: _asked_anew(house, run, again["approval_id"]))
    assert (await house.docs("approvals", _id=again["approval_id"]))[0]["state"] == "withdrawn", "nobody waits for this answer any more"
    await house.decide(asked, "approve")
    await house.decide(await house.when(run, "c", "awaiting_approval"), "approve")
    assert await house.ended(run) == "completed", await house.report(run)
    assert Counter(lines(trace)) == Counter({"a": 3, "b": 2, "c": 2})
    await house.assert_sound(run)


async def test_what_was_broken_down_keeps_its_plan(house: House, trace: str) -> None:
    parts = [noted(trace, "p"), noted(trace, "q", "p")]
    run = await house.submit([work("big", call="split", args={"subtasks": parts}), noted(trace, "after", "big")])
    assert await house.ended(run) == "completed", await house.report(run)
    before = sorted(await ids(house, run))
    await house.rerun((await ids(house, run))["big"])
    assert await house.ended(run) == "completed", await house.report(run)
    assert sorted(await ids(house, run)) == before
    assert Counter(lines(trace)) == Counter({"p": 2, "q": 2, "after": 2})
    await house.assert_sound(run)


async def test_what_a_person_did_is_done_by_its_own_agent(house: House, trace: str) -> None:
    run = await house.submit([noted(trace, "a", checkpoint={"when": "before"}), noted(trace, "b", "a")])
    task = await house.when(run, "a", "awaiting_approval")
    await house.order(task["_id"], "complete", result={"summary": "by hand"})
    assert await house.ended(run) == "completed"
    assert lines(trace) == ["b"]
    assert (await house.task(run, "a"))["agent"] == "human"
    await house.rerun(task["_id"])
    await house.decide(await house.when(run, "a", "awaiting_approval"), "approve")
    assert await house.ended(run) == "completed", await house.report(run)
    assert Counter(lines(trace)) == Counter({"a": 1, "b": 2})
    assert (await house.task(run, "a"))["agent"] == "python"


async def test_a_task_that_failed(house: House, trace: str) -> None:
    flaky = work("a", call="flaky", args={"path": trace, "line": "a", "failures": 1}, retries=0, on_failure="fail")
    run = await house.submit([noted(trace, "z"), flaky, noted(trace, "b", "a")])
    assert await house.ended(run) == "failed"
    await house.rerun((await ids(house, run))["a"])
    assert await house.ended(run) == "completed", await house.report(run)
    assert Counter(lines(trace)) == Counter({"z": 1, "a": 2, "b": 1})
    await house.assert_sound(run)


async def test_retrying_what_others_went_on_without_does_those_again(house: House, trace: str) -> None:
    flaky = work("a", call="flaky", args={"path": trace, "line": "a", "failures": 1}, retries=0, on_failure="continue")
    run = await house.submit([flaky, noted(trace, "b", "a"), noted(trace, "c")])
    assert await house.ended(run) == "failed"
    await house.order((await ids(house, run))["a"], "retry")
    assert await house.ended(run) == "completed", await house.report(run)
    assert Counter(lines(trace)) == Counter({"a": 2, "b": 2, "c": 1})
    await house.assert_sound(run)


async def test_of_a_version_that_there_is_no_more(house: House, trace: str) -> None:
    run = await house.submit([noted(trace, "a")])
    assert await house.ended(run) == "completed"
    task = await house.task(run, "a")
    stale = await house.http.put(f"/tasks/{task['_id']}", json={"action": "rerun", "version": task["version"] - 1})
    assert (stale.status_code, lines(trace)) == (409, ["a"])
    order = TaskControl(run_id=run, task_id=task["_id"], control_id="0" * 32, action=Action.RERUN, by="ann", version=1)
    await house.running[-1].ground.publisher.say([order])
    refused = await house.until(lambda: house.docs("tasks", _id=task["_id"], refused_control="0" * 32))
    assert "which has version" in refused[0]["refused"]
    assert lines(trace) == ["a"]


async def test_the_same_order_twice_does_it_once(house: House, trace: str) -> None:
    run = await house.submit([noted(trace, "a"), noted(trace, "b", "a")])
    assert await house.ended(run) == "completed"
    await house.rerun((await ids(house, run))["a"])
    assert await house.ended(run) == "completed"
    (order,) = [doc["event"] for doc in await house.docs("submissions", kind="control", run_id=run)]
    await house.running[-1].ground.publisher.say([TaskControl.model_validate(order)] * 2)
    await asyncio.sleep(0.3)
    assert Counter(lines(trace)) == Counter({"a": 2, "b": 2})
    await house.assert_sound(run)


async def test_in_a_paused_run_it_waits(house: House, trace: str) -> None:
    run = await house.submit([noted(trace, "a"), work("b", call="hold", args={"path": f"{trace}.gate"})])
    task = await house.when(run, "a", "completed")
    await house.order(run, "pause")
    await house.rerun(task["_id"])
    await asyncio.sleep(0.3)
    assert ((await house.task(run, "a"))["phase"], lines(trace)) == ("blocked", ["a"])
    Path(f"{trace}.gate").touch()
    await house.order(run, "resume")
    assert await house.ended(run) == "completed", await house.report(run)
    await house.assert_sound(run)


async def _begun(trace: str, *, times: int = 1) -> bool:
    return len(lines(f"{trace}.gate.begun")) >= times


async def _asked_anew(house: House, run: str, before: str) -> Any:
    task = await house.task(run, "b")
    return task if task["phase"] == "awaiting_approval" and task["approval_id"] != before else None
