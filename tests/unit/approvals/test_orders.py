"""PUT /tasks/{id}: what is legal, whose it is, which version, and that it is carried out or said again."""

import asyncio
from typing import Any

from shared.contracts.approvals import TaskControl
from shared.contracts.views import TaskView
from tests.unit.approvals.desk import Desk, attempt, event_of, task, until

FILE = {"name": "report.pdf", "uri": "/artifacts/0", "sha256": "0" * 64, "bytes": 9}


async def submitted(desk: Desk, name: str = "sue", **root: Any) -> str:
    """A run with a root task."""
    run_id = str((await desk.as_(name).post("/tasks", json={"description": "x"})).json()["taskId"])
    await desk.put("tasks", task(run_id, phase="expanded", **root), task(f"{run_id}.1", version=7))
    return run_id


async def obey(desk: Desk, run_id: str, **fields: Any) -> TaskControl:
    """Be the sequencer: wait for the order and carry it out."""
    await until(lambda: _ordered(desk, run_id))
    event = event_of(desk.said, TaskControl, run_id)[-1]
    assert isinstance(event, TaskControl)
    fields |= {"refused_control": event.control_id} if "refused" in fields else {}
    await desk.ground.database["tasks"].update({"_id": event.task_id}, {"$set": {"dealt": [event.control_id], **fields}})
    return event


class TestOrders:
    async def test_is_kept_said_and_waited_for(self, desk: Desk) -> None:
        run_id = await submitted(desk)
        put = desk.as_("sue").put(f"/tasks/{run_id}.1", json={"action": "cancel", "reason": "why not"}, headers={"If-Match": '"7"'})
        answer, event = await asyncio.gather(put, obey(desk, run_id, phase="cancelled", version=8))
        assert answer.status_code == 202
        assert TaskView.model_validate_json(answer.content).phase == "cancelled"
        assert answer.headers["etag"] == '"8"'
        assert (event.action, event.by, event.reason) == ("cancel", "sue", "why not")
        assert not event_of(await desk.sweep_all("submissions"), TaskControl, run_id)
        assert (await desk.docs("submissions", _id=event.control_id))[0]["state"] == "done"
        assert [entry["detail"]["action"] for entry in await desk.docs("audit", what="control")] == ["cancel"]

    async def test_is_said_again_until_it_is_carried_out(self, desk: Desk) -> None:
        run_id = await submitted(desk)
        answer = await desk.as_("sue").put(f"/tasks/{run_id}.1", json={"action": "pause"})
        assert (answer.status_code, answer.json()["paused"]) == (202, False)
        assert event_of(await desk.sweep_all("submissions"), TaskControl, run_id)
        (order,) = await desk.docs("submissions", kind="control", run_id=run_id)
        await desk.ground.database["tasks"].update({"_id": f"{run_id}.1"}, {"$set": {"dealt": [order["_id"]]}})
        assert not event_of(await desk.sweep_all("submissions"), TaskControl, run_id)

    async def test_what_became_impossible_is_said_until_it_is_refused(self, desk: Desk) -> None:
        """It was dropped once, unheard: whoever gave the order was told nothing (simulation, seed 5)."""
        run_id = await submitted(desk)
        await desk.as_("sue").put(f"/tasks/{run_id}.1", json={"action": "pause"})
        await desk.ground.database["tasks"].update({"_id": f"{run_id}.1"}, {"$set": {"phase": "completed"}})
        for _ in range(3):
            said = event_of(await desk.sweep_all("submissions"), TaskControl, run_id)
            assert len(said) == 1
        control = said[0].wire()["controlId"]
        noted = {"dealt": [control], "refused_control": control, "refused": "the task is completed by now"}
        await desk.ground.database["tasks"].update({"_id": f"{run_id}.1"}, {"$set": noted})
        assert not event_of(await desk.sweep_all("submissions"), TaskControl, run_id)

    async def test_an_illegal_move_names_the_legal_ones(self, desk: Desk) -> None:
        run_id = await submitted(desk)
        await desk.ground.database["tasks"].update({"_id": f"{run_id}.1"}, {"$set": {"phase": "failed"}})
        answer = await desk.as_("sue").put(f"/tasks/{run_id}.1", json={"action": "cancel"})
        assert answer.status_code == 409
        assert answer.json()["legal"] == ["retry", "rerun"]
        assert answer.headers["content-type"] == "application/problem+json"

    async def test_a_phase_that_is_only_seen_counts(self, desk: Desk) -> None:
        run_id = await submitted(desk)
        await desk.put("attempts", attempt(f"{run_id}.1", state="running", result=None))
        answer = await desk.as_("sue").put(f"/tasks/{run_id}.1", json={"action": "retry"})
        assert "is running" in answer.json()["detail"]

    async def test_another_version_is_refused(self, desk: Desk) -> None:
        run_id = await submitted(desk)
        answer = await desk.as_("sue").put(f"/tasks/{run_id}.1", json={"action": "cancel"}, headers={"If-Match": '"6"'})
        assert answer.status_code == 412
        assert answer.headers["etag"] == '"7"'
        assert answer.json()["errors"] == [{"field": "If-Match", "current": 7}]

    async def test_a_task_is_done_again_as_it_was_seen(self, desk: Desk) -> None:
        run_id = await submitted(desk)
        await desk.put("tasks", task(f"{run_id}.2", dependencies=[f"{run_id}.1"]), task(f"{run_id}.3"))
        await desk.ground.database["tasks"].update({"_id": f"{run_id}.1"}, {"$set": {"phase": "completed", "open": False}})
        sue, url = desk.as_("sue"), f"/tasks/{run_id}.1"
        preview = (await sue.get(f"{url}/rerun")).json()
        assert preview == {"taskId": f"{run_id}.1", "version": 7, "again": 2, "joined": 1, "kept": 1}
        unsaid, stale = await sue.put(url, json={"action": "rerun"}), await sue.put(url, json={"action": "rerun", "version": 6})
        assert (unsaid.status_code, stale.status_code) == (422, 409)
        assert "which version" in unsaid.json()["detail"]
        assert "it has version 7 now, not 6; look at it again" in stale.json()["detail"]
        ordered = sue.put(url, json={"action": "rerun", "version": 7})
        answer, event = await asyncio.gather(ordered, obey(desk, run_id, phase="blocked", version=9))
        assert (answer.status_code, answer.json()["phase"]) == (202, "blocked")
        assert (event.action, event.version) == ("rerun", 7)
        assert [entry["detail"]["version"] for entry in await desk.docs("audit", what="control")][-1:] == [7]

    async def test_what_the_sequencer_refused_is_no_success(self, desk: Desk) -> None:
        run_id = await submitted(desk)
        put = desk.as_("sue").put(f"/tasks/{run_id}.1", json={"action": "complete", "result": {"summary": "by hand"}})
        answer, _ = await asyncio.gather(put, obey(desk, run_id, refused="the task is completed by now"))
        assert answer.status_code == 409
        assert "was not carried out: the task is completed by now" in answer.json()["detail"]

    async def test_an_order_that_has_begun_is_said_again_though_it_looks_impossible_by_now(self, desk: Desk) -> None:
        run_id = await submitted(desk)
        await desk.ground.database["tasks"].update({"_id": f"{run_id}.1"}, {"$set": {"phase": "failed"}})
        await desk.as_("sue").put(f"/tasks/{run_id}.1", json={"action": "retry"})
        control = event_of(await desk.sweep_all("submissions"), TaskControl, run_id)[0]
        assert isinstance(control, TaskControl)
        half = {"phase": "blocked", "reruns": [f"{control.control_id}-"]}
        await desk.ground.database["tasks"].update({"_id": f"{run_id}.1"}, {"$set": half})
        assert event_of(await desk.sweep_all("submissions"), TaskControl, run_id)
        await desk.ground.database["tasks"].update({"_id": f"{run_id}.1"}, {"$set": {"dealt": [control.control_id]}})
        assert not event_of(await desk.sweep_all("submissions"), TaskControl, run_id)

    async def test_submitters_order_in_their_own_runs_only(self, desk: Desk) -> None:
        run_id = await submitted(desk, "ada")
        assert (await desk.as_("sue").put(f"/tasks/{run_id}.1", json={"action": "pause"})).status_code == 403
        assert (await desk.as_("pat").put(f"/tasks/{run_id}.1", json={"action": "pause"})).status_code == 202

    async def test_words_are_checked(self, desk: Desk) -> None:
        run_id = await submitted(desk)
        for body, words in (
            ({"action": "cancle"}, "did you mean cancel?"),
            ({}, "say what to do"),
            ({"status": "Pending"}, "Completed (complete) or Failed (cancel)"),
            ({"status": "Completed"}, "give its result"),
            ({"action": "pause", "status": "Failed"}, "something else"),
            ({"action": "complete", "result": {"data": {"n": 2**70}}}, "64 bits"),
            ({"action": "complete", "result": {"data": {"s": {"$ref": "a", "$id": "b"}}}}, "both $ref and $id"),
            ({"action": "complete", "result": {"dta": {}}}, "result.dta"),
            ({"action": "complete", "result": {"artifacts": [FILE]}}, "files cannot be handed in here"),
        ):
            answer = await desk.as_("sue").put(f"/tasks/{run_id}.1", json=body)
            assert answer.status_code == 422
            assert words in answer.json()["detail"]

    async def test_a_number_that_json_does_not_have_is_refused(self, desk: Desk) -> None:
        run_id = await submitted(desk)
        for number in (b"NaN", b"-Infinity", b"1e999"):
            content = b'{"action": "complete", "result": {"data": {"n": [' + number + b"]}}}"
            answer = await desk.as_("sue").put(f"/tasks/{run_id}.1", content=content, headers={"content-type": "application/json"})
            assert (answer.status_code, "no number in JSON" in answer.json()["detail"]) == (422, True)

    async def test_a_result_goes_with_it(self, desk: Desk) -> None:
        run_id = await submitted(desk)
        put = desk.as_("sue").put(f"/tasks/{run_id}.1", json={"status": "Completed", "result": {"summary": "by hand", "data": {"a.b": 1}}})
        _, event = await asyncio.gather(put, obey(desk, run_id))
        assert event.action == "complete"
        assert event.result == {"summary": "by hand", "artifacts": [], "data": {"a.b": 1}}

    async def test_what_is_not_planned_yet_can_be_cancelled(self, desk: Desk) -> None:
        run_id = (await desk.as_("sue").post("/tasks", json={"description": "x"})).json()["taskId"]
        answer = await desk.as_("sue").put(f"/tasks/{run_id}", json={"action": "cancel"})
        assert (answer.status_code, answer.json()["phase"]) == (202, "expanding")
        assert (await desk.as_("sue").put(f"/tasks/{run_id}", json={"action": "retry"})).json()["legal"] == ["cancel", "pause"]
        assert (await desk.as_("ada").put("/tasks/nowhere", json={"action": "cancel"})).status_code == 404


async def _ordered(desk: Desk, run_id: str) -> bool:
    return bool(event_of(desk.said, TaskControl, run_id))
