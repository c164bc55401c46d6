"""How tasks live when all goes well or fails by itself: order, parents, retries, the ladder, time-outs, breakdowns."""

from typing import Any

import pytest

from tests.integration.chores import lines
from tests.integration.house import House, data, shell, work


class TestOrder:
    async def test_chain(self, house: House, trace: str) -> None:
        keys = [f"t{number}" for number in range(5)]
        tasks = [work(key, *keys[:at][-1:], call="note", args={"path": trace, "line": key}) for at, key in enumerate(keys)]
        run = await house.submit(tasks)
        assert await house.ended(run) == "completed"
        assert lines(trace) == keys
        await house.assert_sound(run)

    async def test_diamond(self, house: House, trace: str) -> None:
        note = lambda key, *after: work(key, *after, call="note", args={"path": trace, "line": key})  # noqa: E731
        run = await house.submit([note("end", "left", "right"), note("left", "start"), note("right", "start"), note("start")])
        assert await house.ended(run) == "completed"
        assert (lines(trace)[0], lines(trace)[-1], len(lines(trace))) == ("start", "end", 4)
        await house.assert_sound(run)

    async def test_a_wide_join_waits_for_all_and_sees_all(self, house: House) -> None:
        keys = [f"t{number}" for number in range(300)]
        fan = [work(key, call="echo", args={"key": key}) for key in keys]
        join = work("join", *keys, call="see", kind="integration", checks=data(t0={"required": ["data"]}, t299={"required": ["data"]}))
        run = await house.submit([join, *fan, work("after", "join")])
        assert await house.ended(run) == "completed"
        found = (await house.docs("attempts", task_id=(await house.task(run, "join"))["_id"]))[0]["result"]["data"]
        assert {key: one["data"]["key"] for key, one in found.items()} == {key: key for key in keys}
        await house.assert_sound(run)

    async def test_three_levels_with_an_integration_step(self, house: House, trace: str) -> None:
        leaf = work("leaf", call="note", args={"path": trace, "line": "leaf"})
        step = shell("join", "cp inputs/leaf.json joined.json", kind="integration", checks=[{"kind": "file", "path": "joined.json"}])
        inner = {"key": "inner", "title": "Inner", "subtasks": [leaf, step]}
        outer = {"key": "outer", "title": "Outer", "subtasks": [inner], "checks": [{"kind": "contains", "text": "1 of 1"}]}
        last = work("last", "outer", call="note", args={"path": trace, "line": "last"})
        run = await house.submit([outer, last], checks=[{"kind": "contains", "text": "2 of 2"}])
        assert await house.ended(run) == "completed", await house.report(run)
        assert lines(trace) == ["leaf", "last"]
        tasks = await house.tasks(run)
        assert {key: task["depth"] for key, task in tasks.items()} == {
            "root": 0, "outer": 1, "last": 1, "outer/inner": 2, "outer/inner/leaf": 3, "outer/inner/join": 3,
        }  # fmt: skip
        parents = [tasks[key] for key in ("outer/inner", "outer", "root")]
        assert [parent["kind"] for parent in parents] == ["group"] * 3
        assert (
            tasks["outer/inner/join"]["finished_at"] <= parents[0]["finished_at"] <= parents[1]["finished_at"] <= parents[2]["finished_at"]
        )
        inner_result = (await house.docs("attempts", task_id=parents[0]["_id"]))[-1]["result"]
        assert [artifact["name"] for artifact in inner_result["artifacts"]] == ["joined.json"]
        await house.assert_sound(run)

    async def test_a_plan_of_2000_tasks(self, house: House) -> None:
        width, tasks = 200, []
        for number in range(2_000):
            above = [f"t{number - width}", f"t{number - width + (1 if (number + 1) % width else 1 - width)}"] if number >= width else []
            tasks.append(work(f"t{number}", *above))
        run = await house.submit(tasks)
        assert await house.ended(run, seconds=60) == "completed"
        await house.assert_sound(run)
        assert await house.store["attempts"].count({"run_id": run}) == 2_001


class TestFailing:
    async def test_a_check_that_fails_is_tried_again(self, house: House, trace: str) -> None:
        run = await house.submit([work("a", call="note", args={"path": trace, "line": "a"}, checks=data(times={"minimum": 2}))])
        assert await house.ended(run) == "completed"
        verdicts = await house.docs("verdicts", task_id=(await house.task(run, "a"))["_id"])
        assert [verdict["judgement"] for verdict in verdicts] == ["failed", "passed"]
        assert "check not passed: schema" in verdicts[0]["error"]["message"]
        await house.assert_sound(run)

    async def test_a_script_knows_its_task_by_one_id_in_every_attempt(self, house: House) -> None:
        script = 'echo "$TASKGROVE_RUN_ID $TASKGROVE_TASK_ID $TASKGROVE_ATTEMPT_ID"; case $TASKGROVE_ATTEMPT_ID in *:1) exit 1; esac'
        run = await house.submit([shell("a", script)])
        assert await house.ended(run) == "completed"
        first, second = await house.docs("attempts", task_id=f"{run}.1")
        assert f"{run} {run}.1 {run}.1:1" in first["error"]["message"]
        assert second["result"]["summary"] == f"{run} {run}.1 {run}.1:2"

    async def test_a_permanent_failure_is_not_tried_again(self, house: House) -> None:
        run = await house.submit([work("a", call="fail", args={"permanent": True}, on_failure="fail")])
        assert await house.ended(run) == "failed"
        assert (await house.task(run, "a"))["attempts"] == 1
        await house.assert_sound(run)

    async def test_time_out(self, house: House) -> None:
        run = await house.submit([work("a", call="sleep", args={"seconds": 60}, timeout=0.2, retries=0, on_failure="fail")])
        assert await house.ended(run) == "failed"
        assert (await house.task(run, "a"))["error"]["code"] == "timed_out"
        await house.assert_sound(run)

    async def test_a_parent_is_judged_after_its_children(self, house: House) -> None:
        group = {"key": "g", "title": "G", "checks": [{"kind": "contains", "text": "of 7"}], "retries": 1, "on_failure": "fail"}
        run = await house.submit([{**group, "subtasks": [work("a"), work("b")]}, work("later", "g")])
        assert await house.ended(run) == "failed"
        tasks = await house.tasks(run)
        assert (tasks["g"]["error"]["code"], tasks["g"]["attempts"], tasks["g/a"]["phase"]) == ("check_failed", 2, "completed")
        assert (tasks["later"]["phase"], tasks["later"]["error"]["code"]) == ("cancelled", "dependency_failed")
        assert tasks["root"]["error"]["code"] == "children_failed"
        await house.assert_sound(run)

    async def test_two_children_of_one_title_count_as_two(self, house: House) -> None:
        group = {"key": "g", "title": "G", "on_failure": "fail"}
        twins = [work("a", call="fail", retries=0, on_failure="fail", title="Twin"), work("b", title="Twin")]
        run = await house.submit([{**group, "subtasks": twins}])
        assert await house.ended(run) == "failed"
        assert (await house.task(run, "g"))["error"]["message"] == "not done below it: Twin (failed)"

    async def test_on_failure_fail_ends_what_depends_on_it_and_nothing_else(self, house: House) -> None:
        broken = work("a", call="fail", retries=0, on_failure="fail")
        wide = [work(f"w{number}", "b") for number in range(101)]
        join = work("join", *(task["key"] for task in wide), "d")
        run = await house.submit([broken, work("b", "a"), *wide, join, work("c"), work("d", "c", call="sleep", args={"seconds": 0.3})])
        assert await house.ended(run) == "failed"
        tasks = await house.tasks(run)
        hopeless = [task for key, task in tasks.items() if key not in ("root", "a", "c", "d")]
        assert {(task["phase"], task["error"]["code"]) for task in hopeless} == {("cancelled", "dependency_failed")}
        assert len(hopeless) == 103
        assert (tasks["c"]["phase"], tasks["d"]["phase"]) == ("completed", "completed")
        await house.assert_sound(run)

    async def test_on_failure_continue_lets_dependents_go(self, house: House) -> None:
        broken = work("a", call="fail", args={"message": "no luck"}, retries=0, on_failure="continue")
        seen = data(a={"properties": {"phase": {"const": "failed"}, "error": {"const": "no luck"}}, "required": ["phase", "error"]})
        run = await house.submit([broken, work("b", "a"), work("join", "a", "b", call="see", kind="integration", checks=seen)])
        assert await house.ended(run) == "failed"
        tasks = await house.tasks(run)
        assert [tasks[key]["phase"] for key in ("a", "b", "join", "root")] == ["failed", "completed", "completed", "failed"]
        assert tasks["root"]["error"] == {"code": "children_failed", "message": "not done below it: Task a (failed)"}
        await house.assert_sound(run)


class TestLadder:
    @pytest.mark.parametrize(
        ("decision", "end"), [("retry", "completed"), ("skip", "completed"), ("take_over", "completed"), ("fail", "failed")]
    )
    async def test_retries_then_a_new_plan_then_a_person(self, house: House, trace: str, decision: str, end: str) -> None:
        run = await house.submit([work("a", call="flaky", args={"path": trace, "line": "a", "failures": 3}), work("b", "a")])
        task = await house.when(run, "a", "escalated")
        assert (task["attempts"], len(lines(trace)), (await house.docs("plans", task_id=task["_id"]))[0]["reason"]) == (3, 3, "replan")
        result = {"result": {"summary": "by hand", "data": {"times": 9}}} if decision == "take_over" else {}
        asked = await house.decide(task, decision, comment="so be it", **result)
        assert asked["kind"] == "escalation"
        assert asked["choices"] == ["retry", "take_over", "skip", "fail"]
        assert "failure 3 of 3" in asked["question"]
        assert await house.ended(run) == end
        after = await house.tasks(run)
        done = {"retry": "completed", "skip": "skipped", "take_over": "completed", "fail": "failed"}[decision]
        assert after["a"]["phase"] == done
        assert after["b"]["phase"] == ("cancelled" if decision == "fail" else "completed")
        assert len(lines(trace)) == (4 if decision == "retry" else 3)
        if decision == "take_over":
            attempt = (await house.docs("attempts", task_id=task["_id"]))[-1]
            assert (attempt["agent"], attempt["result"]["summary"]) == ("human", "by hand")
        await house.assert_sound(run)

    async def test_asked_again_after_a_retry_that_failed(self, house: House) -> None:
        run = await house.submit([work("a", call="fail", retries=0)])
        first = await house.when(run, "a", "escalated")
        await house.order(first["_id"], "retry")
        second = await house.until(lambda: _asked_again(house, run, first["approval_id"]))
        await house.decide(second, "fail")
        assert await house.ended(run) == "failed"
        await house.assert_sound(run)


class TestTooBig:
    async def test_is_broken_down_as_proposed(self, house: House) -> None:
        parts = [work("x", call="echo", args={"x": 1}), work("y", "x", call="see", kind="integration", checks=data(x={}))]
        run = await house.submit([work("big", call="split", args={"subtasks": parts}), work("after", "big")])
        assert await house.ended(run) == "completed", await house.report(run)
        tasks = await house.tasks(run)
        assert (tasks["big"]["children"], tasks["big"]["agent"]) == (2, "integrate")
        assert tasks["big/y"]["dependencies"] == [tasks["big/x"]["_id"]]
        await house.assert_sound(run)

    @pytest.mark.parametrize(
        ("options", "parts", "message"),
        [
            ({"maxDepth": 1}, [work("x")], "2 levels deep; at most 1 are allowed (option maxDepth)"),
            ({"maxTasks": 2}, [work("x"), work("y")], "would have 3 tasks; at most 2 are allowed (option maxTasks)"),
            ({}, [], "nobody proposed how to break it down"),
            ({}, [work("x", "y"), work("y", "x")], "wait for each other"),
            ({}, [{**work("x"), "agent": "nobody"}], "there is no agent 'nobody'"),
        ],
    )
    async def test_is_refused(self, house: House, options: dict[str, int], parts: list[dict[str, Any]], message: str) -> None:
        run = await house.submit([work("big", call="split", args={"subtasks": parts})], **options)
        task = await house.when(run, "big", "escalated")
        assert task["error"]["code"] == "no_plan"
        assert message in task["error"]["message"]
        await house.decide(task, "retry")
        again = await house.until(lambda: _asked_again(house, run, task["approval_id"]))
        await house.decide(again, "skip")
        assert await house.ended(run) == "completed"
        await house.assert_sound(run)

    async def test_a_plan_as_large_as_allowed_is_carried_out(self, house: House) -> None:
        run = await house.submit([work("a"), work("b")], maxTasks=2)
        assert await house.ended(run) == "completed"


class TestNoPlan:
    async def test_the_run_fails_with_the_reason(self, house: House) -> None:
        run = await house.submit([work("a", "b")])
        assert await house.ended(run) == "failed"
        root = await house.task(run, "root")
        assert root["error"]["code"] == "no_plan"
        assert "`after` names 'b', which is no sibling" in root["error"]["message"]
        await house.order(run, "retry")
        await house.until(lambda: _again_failed(house, run, root["version"]))
        assert len(await house.docs("plans", run_id=run)) == 2
        await house.assert_sound(run)

    @pytest.mark.parametrize("args", [{"number": 2**70}, {"a\0b": 1}], ids=["a large number", "a key with NUL"])
    async def test_what_the_store_cannot_hold_is_a_reason_too(self, house: House, args: dict[str, Any]) -> None:
        run = await house.submit([work("a", call="echo", args=args)])
        assert await house.ended(run) == "failed"
        assert (await house.task(run, "root"))["error"]["code"] == "no_plan"
        await house.assert_sound(run)


async def _asked_again(house: House, run: str, before: str) -> Any:
    tasks = [task for task in (await house.tasks(run)).values() if task["phase"] == "escalated" and task["approval_id"] != before]
    return tasks[0] if tasks else None


async def _again_failed(house: House, run: str, version: int) -> bool:
    root = await house.task(run, "root")
    return root["phase"] == "failed" and root["version"] > version + 1
