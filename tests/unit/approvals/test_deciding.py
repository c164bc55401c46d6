"""The inbox: who may answer what, quorum, races, expiry, withdrawal."""

import asyncio
from typing import Any

import pytest

from services.approvals.answering import LOOKED_AT
from shared.contracts.approvals import ApprovalDecided
from shared.contracts.sequencer import ApprovalRequested, TaskFailed, TaskReopened
from shared.contracts.views import ApprovalPage, ApprovalView
from shared.ids import new_id
from tests.unit.approvals.browsing import log_in
from tests.unit.approvals.desk import Desk, event_of, task, until
from tests.unit.approvals.test_orders import FILE, obey
from tests.unit.approvals.test_pages import question as stored

HELP = ("retry", "take_over", "skip", "fail")


def question(run_id: str, **fields: Any) -> ApprovalRequested:
    """A checkpoint's question, as the sequencer asks it."""
    usual = {
        "task_id": f"{run_id}.1", "approval_id": f"{run_id}.1:before:1", "kind": "checkpoint", "title": "Publish",
        "question": "May it start?",
        "choices": ("approve", "reject"), "digest": "d1",
    }  # fmt: skip
    return ApprovalRequested.model_validate({"run_id": run_id, **usual, **fields})


async def asked(desk: Desk, **fields: Any) -> ApprovalRequested:
    """A question that is in the inbox."""
    event = question(new_id(), **fields)
    await desk.hears(event)
    return event


async def answer(desk: Desk, name: str, event: ApprovalRequested, decision: str = "approve", **more: Any) -> Any:
    """What the API says to this answer."""
    return await desk.as_(name).post("/approvals", json={"approvalId": event.approval_id, "decision": decision, **more})


class TestDeciding:
    async def test_one_approves(self, desk: Desk) -> None:
        event = await asked(desk)
        shown = ApprovalPage.model_validate_json((await desk.as_("vic").get("/approvals", params={"run": event.run_id})).content)
        assert [one.state for one in shown.items] == ["pending"]
        answered = await answer(desk, "pat", event, comment="go", digest="d1")
        assert answered.status_code == 200
        view = ApprovalView.model_validate_json(answered.content)
        assert (view.state, view.decisions[0]["by"], view.decisions[0]["comment"]) == ("approve", "pat", "go")
        await until(lambda: _said(desk, event))
        assert (await desk.as_("vic").get("/approvals", params={"run": event.run_id})).json()["items"] == []
        everything = await desk.as_("vic").get("/approvals", params={"run": event.run_id, "state": "all"})
        assert [one["state"] for one in everything.json()["items"]] == ["approve"]
        assert [(e["who"], e["subject"]) for e in await desk.docs("audit", what="decide")] == [("pat", event.approval_id)]

    async def test_of_two_who_decide_at_once_one_wins(self, desk: Desk) -> None:
        event = await asked(desk)
        first, second = await asyncio.gather(answer(desk, "pat", event), answer(desk, "quinn", event, "reject"))
        assert sorted([first.status_code, second.status_code]) == [200, 409]
        lost = first if first.status_code == 409 else second
        assert "is settled" in lost.json()["detail"]
        assert len((await desk.docs("approvals", _id=event.approval_id))[0]["decisions"]) == 1

    async def test_two_of_three_must_approve(self, desk: Desk) -> None:
        event = await asked(desk, required=2)
        first, second = await asyncio.gather(answer(desk, "pat", event), answer(desk, "quinn", event))
        assert (first.status_code, second.status_code) == (200, 200)
        assert sorted([first.json()["state"], second.json()["state"]]) == ["approve", "pending"]
        assert (await answer(desk, "rob", event)).status_code == 409

    async def test_edits_are_refused_as_nobody_carries_them_out(self, desk: Desk) -> None:
        event = await asked(desk)
        refused = await answer(desk, "pat", event, edits={"inputs": {"script": "true"}})
        assert (refused.status_code, "nothing was decided" in refused.json()["detail"]) == (422, True)
        assert [doc["state"] for doc in await desk.docs("approvals", _id=event.approval_id)] == ["pending"]

    async def test_files_are_refused_as_nobody_hands_them_on(self, desk: Desk) -> None:
        event = await asked(desk, kind="escalation", choices=HELP)
        refused = await answer(desk, "pat", event, "take_over", result={"summary": "done", "artifacts": [FILE]})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "result.artifacts")
        assert "files cannot be handed in here" in refused.json()["detail"]
        assert [doc["state"] for doc in await desk.docs("approvals", _id=event.approval_id)] == ["pending"]
        assert (await answer(desk, "pat", event, "take_over", result={"summary": "done", "artifacts": []})).status_code == 200

    async def test_nobody_counts_twice(self, desk: Desk) -> None:
        event = await asked(desk, required=2)
        assert (await answer(desk, "pat", event)).json()["state"] == "pending"
        again = await answer(desk, "pat", event)
        assert again.status_code == 409
        assert "has already answered" in again.json()["detail"]
        mine = await desk.as_("pat").get("/approvals", params={"mine": True, "run": event.run_id})
        assert mine.json()["items"] == []

    async def test_one_rejection_decides(self, desk: Desk) -> None:
        event = await asked(desk, required=3)
        assert (await answer(desk, "pat", event)).json()["state"] == "pending"
        assert (await answer(desk, "quinn", event, "reject")).json()["state"] == "reject"

    async def test_only_those_who_are_asked(self, desk: Desk) -> None:
        event = await asked(desk, approvers=("release",))
        refused = await answer(desk, "quinn", event)
        assert refused.status_code == 403
        assert "release" in refused.json()["detail"]
        mine = {name: (await desk.as_(name).get("/approvals?mine=true")).json()["items"] for name in ("pat", "quinn", "vic")}
        assert [len(mine[name]) for name in ("pat", "quinn", "vic")] == [1, 0, 0]
        assert (await answer(desk, "pat", event)).json()["state"] == "approve"
        by_name = await asked(desk, approvers=("quinn",))
        assert (await answer(desk, "pat", by_name)).status_code == 403
        assert (await answer(desk, "ada", by_name)).status_code == 403
        assert (await answer(desk, "quinn", by_name)).status_code == 200

    async def test_what_changed_is_not_approved(self, desk: Desk) -> None:
        event = await asked(desk)
        stale = await answer(desk, "pat", event, digest="d0")
        assert stale.status_code == 409
        assert "something else than you were shown" in stale.json()["detail"]
        assert (await desk.docs("approvals", _id=event.approval_id))[0]["state"] == "pending"

    @pytest.mark.parametrize("decision", ["aprove", "expired", "withdrawn", "retry"])
    async def test_only_what_is_offered(self, desk: Desk, decision: str) -> None:
        event = await asked(desk)
        refused = await answer(desk, "pat", event, decision)
        assert refused.status_code == 422
        assert "approve, reject" in refused.json()["detail"]

    async def test_to_take_over_needs_a_result(self, desk: Desk) -> None:
        event = await asked(desk, kind="escalation", choices=HELP, required=2)
        assert "result" in (await answer(desk, "pat", event, "take_over")).json()["detail"]
        done = await answer(desk, "pat", event, "take_over", result={"summary": "by hand"})
        assert done.json()["state"] == "take_over"
        assert (await desk.docs("approvals", _id=event.approval_id))[0]["decisions"][-1]["result"]["summary"] == "by hand"

    async def test_a_question_is_answered_in_its_own_words(self, desk: Desk) -> None:
        event = await asked(desk, kind="question", choices=("blue", "green"))
        view = (await answer(desk, "pat", event, "blue")).json()
        assert view["state"] == "take_over"
        assert view["decisions"][0]["result"]["data"] == {"answer": "blue"}
        other = await asked(desk, kind="question", choices=("answer",))
        assert (await answer(desk, "pat", other, "answer")).status_code == 422
        assert (await answer(desk, "pat", other, "answer", result={"data": {"n": 1}})).json()["state"] == "answer"
        third = await asked(desk, kind="question", choices=("answer",))
        assert (await answer(desk, "pat", third, "answer", comment="blue")).json()["decisions"][0]["comment"] == "blue"

    async def test_a_time_beyond_all_dates_is_long(self, desk: Desk) -> None:
        event = await asked(desk, within=1e300)
        (kept,) = await desk.docs("approvals", _id=event.approval_id)
        assert (kept["state"], kept["expires_at"].year > 2_100) == ("pending", True)

    async def test_time_runs_out(self, desk: Desk) -> None:
        event = await asked(desk, within=0.05)
        await asyncio.sleep(0.1)
        assert "ran out of time" in (await answer(desk, "pat", event)).json()["detail"]
        says = await desk.sweep_all("approvals")
        assert [one.approval_id for one in event_of(says, ApprovalDecided, event.run_id)] == [event.approval_id]  # type: ignore[attr-defined]
        assert (await desk.as_("vic").get(f"/approvals/{event.approval_id}")).json()["state"] == "expired"
        assert (await answer(desk, "pat", event)).status_code == 409

    async def test_is_said_again_until_the_task_goes_on(self, desk: Desk) -> None:
        event = await asked(desk)
        await desk.put("tasks", task(event.task_id, approval_id=event.approval_id))
        await answer(desk, "pat", event)
        assert event_of(await desk.sweep_all("approvals"), ApprovalDecided, event.run_id)
        await desk.ground.database["tasks"].update({"_id": event.task_id}, {"$set": {"approval_id": None}})
        assert await desk.sweep_all("approvals") == []
        assert "due_at" not in (await desk.docs("approvals", _id=event.approval_id))[0]

    async def test_asked_again_the_answer_is_said_again(self, desk: Desk) -> None:
        event = await asked(desk)
        await answer(desk, "pat", event)
        await until(lambda: _said(desk, event))
        desk.said.clear()
        await desk.hears(event)
        await until(lambda: _said(desk, event))
        assert len(await desk.docs("approvals", run_id=event.run_id)) == 1

    async def test_nobody_is_asked_about_what_ended(self, desk: Desk) -> None:
        event = await asked(desk)
        await desk.hears(TaskFailed(run_id=event.run_id, tasks=(event.task_id,)))
        assert (await desk.as_("vic").get(f"/approvals/{event.approval_id}")).json()["state"] == "withdrawn"
        late = question(new_id())
        await desk.put("tasks", task(late.task_id, open=False, phase="failed"))
        await desk.hears(late)
        assert (await desk.docs("approvals", _id=late.approval_id))[0]["state"] == "withdrawn"

    async def test_late_news_of_an_end_withdraw_no_question_of_a_task_that_lives_again(self, desk: Desk) -> None:
        event = await asked(desk)
        await desk.put("tasks", task(event.task_id, phase="awaiting_approval", approval_id=event.approval_id))
        await desk.hears(TaskFailed(run_id=event.run_id, tasks=(event.task_id,)))
        assert (await desk.docs("approvals", _id=event.approval_id))[0]["state"] == "pending"

    async def test_nobody_is_asked_about_what_is_to_be_done_again(self, desk: Desk) -> None:
        event = await asked(desk)
        await desk.put("tasks", task(event.task_id, phase="blocked", approval_id=None))
        await desk.hears(TaskReopened(run_id=event.run_id, tasks=(event.task_id,)))
        assert (await desk.docs("approvals", _id=event.approval_id))[0]["state"] == "withdrawn"

    async def test_what_has_gone_on_is_not_decided(self, desk: Desk) -> None:
        event = await asked(desk)
        await desk.put("tasks", task(event.task_id, approval_id=None))
        assert (await desk.as_("vic").get("/approvals", params={"run": event.run_id})).json()["items"] == []
        refused = await answer(desk, "pat", event)
        assert refused.status_code == 409
        assert "asked no more" in refused.json()["detail"]


async def shown_as_open(desk: Desk, run_id: str) -> set[str]:
    """Where somebody who may answer is told that something waits: the places that must agree."""
    tab = await log_in(desk, "pat")
    asks = {
        "badge": 'title="1 question for you"' in (await tab.get("/ui/waiting")).text,
        "overview": 'class="badge wait" href="/inbox/' in (await tab.get("/")).text,
        "head": 'class="waits list"' in (await tab.get(f"/ui/runs/{run_id}/live")).text,
        "panel": "Waits for an answer" in (await tab.get(f"/ui/runs/{run_id}/panel?task=1")).text,
        "inbox": "May it start?</span>" in (await tab.get("/inbox")).text,
    }
    return {place for place, is_open in asks.items() if is_open}


ALL = {"badge", "overview", "head", "panel", "inbox"}


class TestGoneOn:
    """An escalated task went on by an order: nobody is asked about it any more."""

    async def test_an_order_withdraws_the_question_everywhere(self, desk: Desk) -> None:
        event = await self._escalated(desk)
        assert await shown_as_open(desk, event.run_id) == ALL
        put = desk.as_("pat").put(f"/tasks/{event.task_id}", json={"action": "retry", "version": 1})
        ordered, _ = await asyncio.gather(put, obey(desk, event.run_id, phase="ready", approval_id=None, epoch=2))
        assert ordered.status_code == 202
        assert await shown_as_open(desk, event.run_id) == set()

    async def test_whatever_made_it_go_on_the_sweep_finds_it(self, desk: Desk) -> None:
        event = await self._escalated(desk)
        await desk.ground.database["tasks"].update({"_id": event.task_id}, {"$set": {"phase": "ready", "approval_id": None}})
        await desk.sweep_all("submissions")
        assert await shown_as_open(desk, event.run_id) == set()
        assert (await desk.docs("approvals", _id=event.approval_id))[0]["state"] == "withdrawn"

    async def test_a_question_that_is_waited_for_stays(self, desk: Desk) -> None:
        event = await self._escalated(desk)
        await desk.sweep_all("submissions")
        assert await shown_as_open(desk, event.run_id) == ALL

    async def test_of_many_each_has_its_turn(self, desk: Desk) -> None:
        event = await self._escalated(desk)
        waiting = [stored(f"0.{number}:x:1", run_id="0", task_id=f"0.{number}") for number in range(LOOKED_AT + 1)]
        await desk.put("approvals", *waiting)
        await desk.ground.database["tasks"].update({"_id": event.task_id}, {"$set": {"approval_id": None}})
        await desk.sweep_all("submissions")
        assert (await desk.docs("approvals", _id=event.approval_id))[0]["state"] == "pending"
        await desk.sweep_all("submissions")
        assert [doc["_id"] for doc in await desk.docs("approvals", state="withdrawn")] == [event.approval_id]
        await desk.ground.database["approvals"].update({"_id": event.approval_id}, {"$set": {"state": "pending"}})
        for _ in range(2):
            await desk.sweep_all("submissions")
        assert [doc["_id"] for doc in await desk.docs("approvals", state="withdrawn")] == [event.approval_id], "round and round"

    async def _escalated(self, desk: Desk) -> ApprovalRequested:
        event = question(new_id(), kind="escalation", choices=HELP)
        now = desk.ground.clock.now()
        waits = task(event.task_id, phase="escalated", approval_id=event.approval_id, created_at=now)
        await desk.put("tasks", task(event.run_id, phase="expanded", created_at=now), waits)
        await desk.hears(event)
        return event


async def _said(desk: Desk, event: ApprovalRequested) -> bool:
    return bool(event_of(desk.said, ApprovalDecided, event.run_id))
