"""Nobody goes around the people whom a checkpoint names: not by completing the task by hand, not by skipping it where it asks for help."""

import asyncio
from typing import Any

import httpx2
import pytest

from shared.contracts.approvals import TaskControl
from shared.contracts.sequencer import ApprovalRequested
from tests.unit.approvals.desk import Desk, event_of, task
from tests.unit.approvals.test_deciding import HELP, answer, question
from tests.unit.approvals.test_orders import obey, submitted

BY_HAND = {"action": "complete", "result": {"summary": "by hand"}}


async def gate(desk: Desk, phase: str = "awaiting_approval", *, approved: bool = False, **checkpoint: Any) -> str:
    """A task with a checkpoint, in a run of sue; before it starts pat or rob must approve it, if nothing else is said."""
    run_id, asks = await submitted(desk), phase == "awaiting_approval"
    by = {"when": "before", "approvers": ["release"], "required": 1, **checkpoint}
    asking = f"{run_id}.2:before:1" if asks else None
    await desk.put("tasks", task(f"{run_id}.2", phase=phase, checkpoint=by, approved=approved, approval_id=asking))
    if asks:
        asked = {"approval_id": asking, "approvers": by["approvers"], "required": by["required"]}
        await desk.hears(question(run_id, task_id=f"{run_id}.2", **asked))
    return f"{run_id}.2"


async def complete(desk: Desk, name: str, task_id: str) -> httpx2.Response:
    """What the API says to a result that is handed in by this person."""
    return await desk.as_(name).put(f"/tasks/{task_id}", json=BY_HAND)


async def stands(desk: Desk, task_id: str) -> bool:
    """Whether the question is open, nobody has answered it, and nothing was ordered."""
    asked = await desk.docs("approvals", task_id=task_id)
    said = event_of(desk.said, TaskControl, task_id.partition(".")[0])
    return [(one["state"], one["votes"]) for one in asked] == [("pending", 0)] and not said


class TestCompleting:
    @pytest.mark.parametrize("name", ["sue", "quinn", "ada"])
    async def test_is_not_for_who_is_not_named(self, desk: Desk, name: str) -> None:
        task_id = await gate(desk)
        refused = await complete(desk, name, task_id)
        assert refused.status_code == 403
        assert f"{name} is none of them" in refused.json()["detail"]
        assert f"answer {task_id}:before:1 first" in refused.json()["detail"]
        assert await stands(desk, task_id)

    async def test_is_for_who_could_have_approved_it_alone(self, desk: Desk) -> None:
        task_id = await gate(desk)
        done, event = await asyncio.gather(
            complete(desk, "pat", task_id), obey(desk, task_id.partition(".")[0], phase="ready", approval_id=None)
        )
        assert (done.status_code, event.action, event.version) == (202, "complete", 1)
        assert [one["state"] for one in await desk.docs("approvals", task_id=task_id)] == ["withdrawn"]

    async def test_is_for_nobody_where_several_must_approve(self, desk: Desk) -> None:
        task_id = await gate(desk, required=2)
        refused = await complete(desk, "pat", task_id)
        assert refused.status_code == 409
        assert "needs the approval of 2 different people (release)" in refused.json()["detail"]
        assert await stands(desk, task_id)

    async def test_nor_before_they_are_asked(self, desk: Desk) -> None:
        refused = await complete(desk, "quinn", await gate(desk, "blocked"))
        assert (refused.status_code, "asked once what it waits for is done" in refused.json()["detail"]) == (403, True)

    async def test_by_every_approver_where_none_is_named(self, desk: Desk) -> None:
        task_id = await gate(desk, approvers=[])
        assert (await complete(desk, "sue", task_id)).status_code == 403
        assert (await complete(desk, "quinn", task_id)).status_code == 202

    async def test_of_what_was_approved_and_of_what_is_approved_afterwards(self, desk: Desk) -> None:
        """About a result that was handed in they are asked afterwards as well."""
        assert (await complete(desk, "sue", await gate(desk, "ready", approved=True, required=2))).status_code == 202
        assert (await complete(desk, "sue", await gate(desk, "ready", when="after", required=2))).status_code == 202


class TestHelping:
    @pytest.mark.parametrize(("when", "decision", "status"), [
        ("after", "skip", 403), ("before", "skip", 403), ("before", "take_over", 403), ("after", "take_over", 200), ("after", "fail", 200),
    ])  # fmt: skip
    async def test_does_not_go_around_who_is_named(self, desk: Desk, when: str, decision: str, status: int) -> None:
        event = await self._escalated(desk, when=when)
        result = {"result": {"summary": "by hand"}} if decision == "take_over" else {}
        answered = await answer(desk, "quinn", event, decision, **result)
        assert answered.status_code == status
        if status == 403:
            assert "quinn is none of them" in answered.json()["detail"]
            assert await stands(desk, event.task_id)
            assert (await answer(desk, "pat", event, decision, **result)).status_code == 200

    async def test_does_not_go_around_several(self, desk: Desk) -> None:
        event = await self._escalated(desk, when="after", required=2)
        assert (await answer(desk, "pat", event, "skip")).status_code == 409
        assert await stands(desk, event.task_id)

    async def _escalated(self, desk: Desk, **checkpoint: Any) -> ApprovalRequested:
        task_id = await gate(desk, "escalated", **checkpoint)
        event = question(task_id.partition(".")[0], task_id=task_id, approval_id=f"{task_id}:escalation:1", kind="escalation", choices=HELP)
        await desk.ground.database["tasks"].update({"_id": task_id}, {"$set": {"approval_id": event.approval_id}})
        await desk.hears(event)
        return event
