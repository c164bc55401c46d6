"""How people change the life of a task: checkpoints, reviews, questions, and the orders pause, resume, cancel, retry and complete."""

import asyncio
import os
from pathlib import Path
from typing import Any

import psutil
import pytest

from shared.contracts.approvals import TaskControl
from tests.integration.chores import lines
from tests.integration.house import House, data, shell, work
from tests.integration.watching import at_rest, gone, process_of


class TestCheckpoints:
    @pytest.mark.parametrize("when", ["before", "after"])
    async def test_approved(self, house: House, when: str) -> None:
        first = work("a", call="echo", args={"x": 1}, checkpoint={"when": when})
        run = await house.submit([first, work("b", "a", call="see", checks=data(a={"properties": {"data": {"const": {"x": 1}}}}))])
        task = await house.when(run, "a", "awaiting_approval")
        assert await house.store["attempts"].count({"task_id": task["_id"]}) == (0 if when == "before" else 1)
        asked = await house.decide(task, "approve")
        assert (asked["kind"], asked["choices"]) == ("checkpoint", ["approve", "reject"])
        assert await house.ended(run) == "completed", await house.report(run)
        assert await house.store["attempts"].count({"task_id": task["_id"]}) == 1
        await house.assert_sound(run)

    @pytest.mark.parametrize("when", ["before", "after"])
    async def test_rejected_then_retried_is_asked_anew(self, house: House, when: str) -> None:
        run = await house.submit([work("a", checkpoint={"when": when}), work("b", "a")])
        task = await house.when(run, "a", "awaiting_approval")
        await house.decide(task, "reject", comment="not today")
        assert await house.ended(run) == "failed"
        tasks = await house.tasks(run)
        assert tasks["a"]["error"] == {"code": "rejected", "message": "rejected by ada: not today"}
        assert tasks["b"]["error"]["code"] == "dependency_failed"
        await house.assert_sound(run)
        await house.order(task["_id"], "retry")
        again = await house.when(run, "a", "awaiting_approval")
        assert again["approval_id"] != task["approval_id"]
        await house.decide(again, "approve")
        assert await house.ended(run) == "completed"
        await house.assert_sound(run)

    async def test_nobody_answers_in_time(self, house: House) -> None:
        run = await house.submit([work("a", checkpoint={"when": "before", "within": 0.2})])
        assert await house.ended(run) == "failed"
        assert (await house.task(run, "a"))["error"]["code"] == "expired"
        await house.assert_sound(run)

    async def test_before_a_group(self, house: House) -> None:
        run = await house.submit([{"key": "g", "title": "G", "checkpoint": {"when": "before"}, "subtasks": [work("a")]}])
        await house.decide(await house.when(run, "g", "awaiting_approval"), "approve")
        assert await house.ended(run) == "completed"
        await house.assert_sound(run)

    async def test_cancelled_while_it_waits_then_retried(self, house: House) -> None:
        run = await house.submit([work("a", checkpoint={"when": "before"})])
        task = await house.when(run, "a", "awaiting_approval")
        await house.order(run, "cancel")
        await house.assert_sound(run)
        await house.order(run, "retry")
        again = await house.when(run, "a", "awaiting_approval")
        assert again["approval_id"] != task["approval_id"]
        await house.decide(again, "approve")
        assert await house.ended(run) == "completed"
        await house.assert_sound(run)


class TestReview:
    async def test_approved(self, house: House) -> None:
        run = await house.submit([work("a")], review=True)
        root = await house.when(run, "root", "awaiting_approval")
        assert len(await house.tasks(run)) == 1
        asked = await house.decide(root, "approve")
        assert asked["kind"] == "plan_review"
        assert await house.ended(run) == "completed"
        await house.assert_sound(run)

    async def test_rejected_then_retried_is_asked_anew(self, house: House) -> None:
        run = await house.submit([work("a")], review=True)
        root = await house.when(run, "root", "awaiting_approval")
        await house.decide(root, "reject")
        assert await house.ended(run) == "failed"
        await house.order(run, "retry")
        again = await house.when(run, "root", "awaiting_approval")
        assert again["approval_id"] != root["approval_id"]
        await house.decide(again, "approve")
        assert await house.ended(run) == "completed"
        await house.assert_sound(run)


class TestQuestions:
    async def test_a_person_does_it_and_is_checked(self, house: House) -> None:
        human = {"key": "a", "title": "A", "agent": "human", "inputs": {"question": "How many?"}, "checks": data(count={"minimum": 2})}
        run = await house.submit([human, work("b", "a", call="see", checks=data(a={}))])
        task = await house.when(run, "a", "awaiting_approval")
        asked = await house.decide(task, "take_over", result={"summary": "counted", "data": {"count": 3}})
        assert (asked["kind"], asked["question"]) == ("question", "How many?")
        assert await house.ended(run) == "completed"
        await house.assert_sound(run)

    @pytest.mark.parametrize(("decision", "end"), [("skip", "completed"), ("fail", "failed")])
    async def test_an_agent_asks(self, house: House, decision: str, end: str) -> None:
        run = await house.submit([work("a", call="wonder", args={"question": "Really?"})])
        asked = await house.decide(await house.when(run, "a", "awaiting_approval"), decision)
        assert asked["question"] == "Really?"
        assert await house.ended(run) == end
        await house.assert_sound(run)


class TestPause:
    async def test_holds_what_runs_and_what_would_start(self, house: House, tmp_path: Path) -> None:
        gate = tmp_path / "gate"
        script = shell("s", "echo $$ > pid; for i in $(seq 30); do sleep 0.05; done; echo done")
        group = {"key": "g", "title": "G", "subtasks": [work("h", call="hold", args={"path": str(gate)}), work("n", "h")]}
        run = await house.submit([script, group, work("last", "s", "g")])
        process = await house.until(lambda: process_of(house, run))
        await house.when(run, "g/h", "ready")
        await house.order(run, "pause")
        await house.until(lambda: at_rest(process), seconds=2)
        gate.touch()
        await house.when(run, "g/h", "completed")
        await asyncio.sleep(0.3)
        assert process.status() == psutil.STATUS_STOPPED
        assert (await house.task(run, "g/n"))["phase"] == "blocked"
        assert not await house.docs("attempts", task_id=(await house.task(run, "g/n"))["_id"])
        await house.order(run, "resume")
        assert await house.ended(run) == "completed", await house.report(run)
        await house.assert_sound(run)

    async def test_while_the_plan_is_made(self, house: House) -> None:
        run = await house.submit([work("a"), work("b", "a")], review=True)
        root = await house.when(run, "root", "awaiting_approval")
        await house.order(run, "pause")
        await house.decide(root, "approve")
        await house.when(run, "root", "expanded")
        await asyncio.sleep(0.3)
        assert (await house.task(run, "a"))["phase"] == "blocked"
        await house.order(run, "resume")
        assert await house.ended(run) == "completed"
        await house.assert_sound(run)


class TestCancel:
    async def test_reaches_all_below_and_nothing_starts_again(self, house: House) -> None:
        group = {"key": "g", "title": "G", "subtasks": [shell("s", "echo $$ > pid; sleep 60 & sleep 60"), work("n", "s")]}
        run = await house.submit([group, work("last", "g"), work("asked", checkpoint={"when": "before"})])
        group_id = os.getpgid((await house.until(lambda: process_of(house, run))).pid)
        await house.order(run, "cancel", reason="no more")
        await house.until(lambda: gone(group_id), seconds=1.5)
        assert await house.ended(run) == "cancelled"
        tasks = await house.tasks(run)
        assert {task["phase"] for task in tasks.values()} == {"cancelled"}
        assert tasks["g/s"]["error"] == {"code": "cancelled", "message": "cancelled by ada: no more"}
        await house.assert_sound(run)
        before = await house.docs("attempts", run_id=run)
        await asyncio.sleep(0.4)
        assert await house.docs("attempts", run_id=run) == before
        assert [attempt["state"] for attempt in before] == ["cancelled"]

    async def test_of_one_task_ends_its_dependents_only(self, house: House, trace: str) -> None:
        run = await house.submit([work("a", call="hold", args={"path": trace}), work("b", "a"), work("c")])
        await house.until(lambda: _begun(trace))
        await house.order((await house.task(run, "a"))["_id"], "cancel")
        assert await house.ended(run) == "failed"
        tasks = await house.tasks(run)
        assert [tasks[key]["phase"] for key in ("a", "b", "c")] == ["cancelled", "cancelled", "completed"]
        await house.assert_sound(run)


class TestRetry:
    async def test_of_the_task_that_failed_revives_all_that_ended_with_it(self, house: House, trace: str) -> None:
        broken = work("x", call="flaky", args={"path": trace, "line": "x", "failures": 1}, retries=0, on_failure="fail")
        group = {"key": "g", "title": "G", "on_failure": "fail", "subtasks": [broken, work("y", "x"), work("z")]}
        wide = [work(f"w{number}", call="note", args={"path": trace, "line": "w"}) for number in range(101)]
        run = await house.submit([group, work("later", "g"), *wide, work("join", "later", *(one["key"] for one in wide))])
        assert await house.ended(run) == "failed"
        await house.assert_sound(run)
        await house.order((await house.task(run, "g/x"))["_id"], "retry")
        assert await house.ended(run) == "completed", await house.report(run)
        tasks = await house.tasks(run)
        assert {task["phase"] for task in tasks.values()} == {"completed"}
        assert {task["error"] for task in tasks.values()} == {None}
        assert lines(trace).count("w") == 101
        await house.assert_sound(run)

    async def test_of_a_cancelled_run(self, house: House, trace: str) -> None:
        run = await house.submit([work("a", call="stall", args={"path": trace}), work("b", "a", call="hold", args={"path": f"{trace}.b"})])
        await house.until(lambda: _begun(trace))
        await house.order(run, "cancel")
        assert (await house.task(run, "root"))["phase"] == "cancelled"
        await house.order(run, "retry")
        root = await house.task(run, "root")
        assert (root["open"], root["finished_at"]) == (True, None)
        Path(f"{trace}.b").touch()
        assert await house.ended(run) == "completed"
        await house.assert_sound(run)

    async def test_an_old_order_that_comes_again_does_nothing(self, house: House, trace: str) -> None:
        run = await house.submit([work("a", call="stall", args={"path": trace}), work("b", "a", call="hold", args={"path": f"{trace}.b"})])
        await house.until(lambda: _begun(trace))
        await house.order(run, "cancel")
        await house.order(run, "retry")
        await house.when(run, "a", "completed")
        cancel = next(doc["event"] for doc in await house.docs("submissions", kind="control") if doc["event"]["action"] == "cancel")
        await house.running[-1].ground.publisher.say([TaskControl.model_validate(cancel)] * 2)
        await asyncio.sleep(0.3)
        Path(f"{trace}.b").touch()
        assert await house.ended(run) == "completed"
        await house.assert_sound(run)


class TestTakingOver:
    async def test_of_a_blocked_task(self, house: House, trace: str) -> None:
        run = await house.submit(
            [work("a", call="hold", args={"path": trace}), work("b", "a"), work("c", "b", call="see", checks=data(b={}))]
        )
        await house.until(lambda: _begun(trace))
        await house.order((await house.task(run, "b"))["_id"], "complete", result={"summary": "by hand", "data": {"x": 1}})
        await house.when(run, "c", "completed")
        assert (await house.task(run, "a"))["phase"] == "ready"
        Path(trace).touch()
        assert await house.ended(run) == "completed"
        await house.assert_sound(run, in_order=False)

    async def test_of_a_running_task_ends_its_attempt(self, house: House, trace: str) -> None:
        run = await house.submit([work("a", call="hold", args={"path": trace})])
        await house.until(lambda: _begun(trace))
        await house.order((await house.task(run, "a"))["_id"], "complete", result={"summary": "by hand"})
        assert await house.ended(run) == "completed"
        await house.assert_sound(run)
        states = [
            (attempt["epoch"], attempt["state"]) for attempt in await house.docs("attempts", run_id=run) if attempt["agent"] != "integrate"
        ]
        assert states == [(1, "cancelled"), (2, "executed")]


async def _begun(trace: str) -> Any:
    return lines(f"{trace}.begun")
