"""POST /tasks: strict, idempotent, durable before it is answered, said again until somebody took it."""

import asyncio
from typing import Any

from services.approvals.domain.submitting import MOST_NOTES
from shared.contracts.approvals import TaskSubmitted
from shared.contracts.views import TaskView
from shared.ids import new_id
from tests.unit.approvals.desk import Desk, event_of, task, until

BODY: dict[str, Any] = {"description": "# Bake bread\nwith care", "notes": [{"name": "bread.md", "text": "## Knead"}]}


class TestSubmitting:
    async def test_is_durable_and_said(self, desk: Desk) -> None:
        answer = await desk.as_("sue").post("/tasks", json=BODY)
        assert answer.status_code == 202
        view = TaskView.model_validate_json(answer.content)
        assert (view.phase, view.status, view.title, view.kind) == ("expanding", "In Progress", "Bake bread", "group")
        assert answer.headers["location"] == f"/tasks/{view.task_id}"
        kept = (await desk.docs("submissions", _id=view.task_id))[0]
        assert kept["kind"] == "submission"
        assert kept["event"]["submittedBy"] == "sue"
        assert kept["event"]["notes"] == BODY["notes"]
        await until(lambda: _said(desk, view.run_id, 1))
        shown = await desk.as_("vic").get(f"/tasks/{view.task_id}")
        assert TaskView.model_validate_json(shown.content) == view

    async def test_the_same_key_and_body_is_the_same_run(self, desk: Desk) -> None:
        headers = {"Idempotency-Key": "k1"}
        first, second = await asyncio.gather(*(desk.as_("sue").post("/tasks", json=BODY, headers=headers) for _ in range(2)))
        third = await desk.as_("sue").post("/tasks", json=BODY, headers=headers)
        assert first.json() == second.json() == third.json()
        assert len(await desk.docs("submissions", kind="submission")) == 1
        other = await desk.as_("sue").post("/tasks", json={"description": "something else"}, headers=headers)
        assert other.status_code == 422
        assert "Idempotency-Key" in other.json()["detail"]
        hers = await desk.as_("ada").post("/tasks", json=BODY, headers=headers)
        assert hers.json()["taskId"] != first.json()["taskId"]

    async def test_unknown_fields_are_refused_by_name(self, desk: Desk) -> None:
        for body, field in (
            ({**BODY, "desciption": "x"}, "desciption"),
            ({**BODY, "options": {"reveiw": True}}, "options.reveiw"),
            ({**BODY, "notes": [{"name": "a", "text": "b", "path": "c"}]}, "notes.0.path"),
        ):
            answer = await desk.as_("sue").post("/tasks", json=body)
            assert answer.status_code == 422
            assert answer.headers["content-type"] == "application/problem+json"
            assert [error["field"] for error in answer.json()["errors"]] == [field]

    async def test_what_cannot_be_run_is_refused_with_the_way_out(self, desk: Desk) -> None:
        for body, words in (
            ({}, "give a description"),
            ({**BODY, "options": {"planner": "outlin"}}, "did you mean outline?"),
            ({**BODY, "options": {"inputs": {"A=B": "x"}}}, "options.inputs"),
            ({**BODY, "prompt": "another"}, "another name for description"),
        ):
            answer = await desk.as_("sue").post("/tasks", json=body)
            assert answer.status_code == 422
            assert words in answer.json()["detail"]
        assert await desk.docs("submissions") == []

    async def test_without_notes_a_model_plans_where_there_is_one(self, desk: Desk) -> None:
        for body, planner in (
            ({"description": "Bake"}, "model"),
            (BODY, "outline"),
            ({**BODY, "options": {"planner": "model"}}, "model"),
            ({"description": "Bake", "options": {"planner": "outline"}}, "outline"),
        ):
            answer = await desk.as_("sue").post("/tasks", json=body)
            assert answer.status_code == 202
            kept = (await desk.docs("submissions", _id=answer.json()["taskId"]))[0]
            assert kept["event"]["options"]["planner"] == planner
        desk.deps.has_model = False
        try:
            refused = await desk.as_("sue").post("/tasks", json={"description": "Bake"})
            assert refused.status_code == 422
            assert "TASKGROVE_MODEL_BASE_URL" in refused.json()["detail"]
            assert (await desk.as_("sue").post("/tasks", json=BODY)).status_code == 202
        finally:
            desk.deps.has_model = True

    async def test_too_large_is_refused_before_it_is_parsed(self, desk: Desk) -> None:
        limit = desk.deps.settings.body_bytes

        async def chunks() -> Any:
            for _ in range(limit // 2**20 + 1):
                yield b" " * 2**20

        for content in (b"{" * (limit + 1), chunks()):  # with and without a Content-Length
            answer = await desk.as_("sue").post("/tasks", content=content, headers={"content-type": "application/json"})
            assert answer.status_code == 413
            assert answer.json()["status"] == 413
        notes = [{"name": f"{n}.md", "text": "x" * (MOST_NOTES // 4)} for n in range(5)]
        assert (await desk.as_("sue").post("/tasks", json={"notes": notes})).status_code == 413

    async def test_too_large_is_answered_when_all_of_it_came_at_once(self, desk: Desk) -> None:
        sent: list[Any] = []
        messages = [{"type": "http.request", "body": b" " * (desk.deps.settings.body_bytes + 1), "more_body": False}]

        async def receive() -> Any:
            return messages.pop() if messages else await asyncio.sleep(60)

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"authorization", f"Bearer {desk.keys['sue']}".encode()), (b"transfer-encoding", b"chunked")]
        scope = {"type": "http", "method": "POST", "path": "/tasks", "raw_path": b"/tasks", "query_string": b"", "headers": headers}
        await asyncio.wait_for(desk.app(scope, receive, send), 5)
        assert sent[0]["status"] == 413

    async def test_what_is_no_json_is_a_problem(self, desk: Desk) -> None:
        for content in (b"{", b"\xff\xfe", b"[]", b'"text"', b"{}" + b"[" * 3_000):
            answer = await desk.as_("sue").post("/tasks", content=content, headers={"content-type": "application/json"})
            assert answer.status_code in (400, 422)
            assert answer.headers["content-type"] == "application/problem+json"

    async def test_is_said_again_until_it_is_planned(self, desk: Desk) -> None:
        run_id = (await desk.as_("sue").post("/tasks", json=BODY)).json()["taskId"]
        assert event_of(await desk.sweep_all("submissions"), TaskSubmitted, run_id)
        first = (await desk.docs("submissions", _id=run_id))[0]
        assert first["wait"] == 10
        await desk.put("tasks", task(run_id))
        assert await desk.sweep_all("submissions") == []
        settled = (await desk.docs("submissions", _id=run_id))[0]
        assert settled["state"] == "planned"
        assert "due_at" not in settled

    async def test_an_endless_time_scale_is_refused(self, desk: Desk) -> None:
        """JSON has no such number: on the bus it became null, which no planner takes."""
        headers = {"content-type": "application/json"}
        for number in (b"1e999", b"Infinity", b"NaN", b'"inf"'):
            content = b'{"prompt": "Bake", "options": {"timeScale": ' + number + b"}}"
            answer = await desk.as_("sue").post("/tasks", content=content, headers=headers)
            assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "options.timeScale")
        assert await desk.docs("submissions") == []

    async def test_one_that_cannot_be_said_keeps_no_other_waiting(self, desk: Desk) -> None:
        """An earlier version took a time scale that is endless."""
        run_ids = [(await desk.as_("sue").post("/tasks", json=BODY)).json()["taskId"] for _ in range(2)]
        await desk.ground.database["submissions"].update({"_id": run_ids[0]}, {"$set": {"event.options.timeScale": float("inf")}})
        assert [event.run_id for event in await desk.sweep_all("submissions")] == [run_ids[1]]

    async def test_is_taken_while_the_broker_is_away(self, desk: Desk) -> None:
        await desk.ground.broker.stop()
        answer = await desk.as_("sue").post("/tasks", json=BODY)
        assert answer.status_code == 202
        assert (await desk.docs("submissions", _id=answer.json()["taskId"]))[0]["due_at"]

    async def test_what_came_by_the_bus_is_kept(self, desk: Desk) -> None:
        event = TaskSubmitted(run_id=new_id(), prompt="From elsewhere", submitted_by="cron")
        await desk.hears(event, event)
        view = (await desk.as_("vic").get(f"/tasks/{event.run_id}")).json()
        assert (view["title"], view["phase"]) == ("From elsewhere", "expanding")
        assert (await desk.docs("submissions", _id=event.run_id))[0]["event"]["submittedBy"] == "cron"
        assert [entry["who"] for entry in await desk.docs("audit", what="submit")] == ["cron"]

    async def test_a_run_id_that_breaks_ids_goes_to_quarantine(self, desk: Desk) -> None:
        await desk.ground.publisher.say([TaskSubmitted(run_id="a.b", prompt="x")])
        await until(lambda: _quarantined(desk))
        assert "cannot be the id of a run" in (await desk.docs("quarantine"))[0]["reason"]


async def _said(desk: Desk, run_id: str, count: int) -> bool:
    return len(event_of(desk.said, TaskSubmitted, run_id)) >= count


async def _quarantined(desk: Desk) -> bool:
    return bool(await desk.docs("quarantine"))
