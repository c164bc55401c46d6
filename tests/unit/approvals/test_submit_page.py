"""Submitting by form: the same rules as the API, once however often it is sent, and a plan to look at before anything starts."""

import re
from typing import Any

import httpx2
import pytest
from pydantic import ValidationError

from services.approvals.domain.submitting import MOST_NOTES
from services.approvals.settings import ApprovalsSettings
from services.approvals.store.looking import PlanPart
from services.approvals.web.plan import preview_of
from services.approvals.web.submit import LARGEST_BODY, LIMITS, input_lines, inputs_of, options_of, unambiguous
from services.approvals.web.words import size
from shared.contracts.approvals import ApprovalDecided, TaskControl, TaskSubmitted
from shared.contracts.plan import Checkpoint, NotesFile, TaskSpec
from shared.contracts.sequencer import ApprovalRequested
from shared.errors import BadInput
from shared.ids import new_id
from tests.unit.approvals.desk import Desk, event_of, task

EVIL = "<script>alert(1)</script>"
NOTES = "# Run\n\n## One\n\n```sh\ntrue\n```\n"


async def send(desk: Desk, person: str = "sue", **fields: Any) -> httpx2.Response:
    """The form, as a browser sends it."""
    form = {"key": "k1", "note_name": ["a.md"], "note_text": [NOTES], "go": "preview", **fields}
    files = form.pop("files", None)
    return await desk.as_(person).post("/submit", data=form, files=files)


def run_in(answer: httpx2.Response) -> str:
    """The run that the answer leads to."""
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].split("/")[2]


class TestSend:
    async def test_a_preview_is_a_run_that_must_be_approved_first(self, desk: Desk) -> None:
        answer = await send(desk, prompt="Do it", inputs="version=1.4\n\ncolour = red", max_tasks="7")
        assert answer.headers["location"].endswith("/plan")
        (event,) = event_of(desk.said, TaskSubmitted, run_in(answer))[:1]
        assert isinstance(event, TaskSubmitted)
        assert (event.prompt, event.options.review, event.options.max_tasks, event.submitted_by) == ("Do it", True, 7, "sue")
        assert event.options.inputs == {"version": "1.4", "colour": "red"}
        assert [(note.name, note.text) for note in event.notes] == [("a.md", NOTES)]

    async def test_started_at_once_it_needs_no_approval(self, desk: Desk) -> None:
        run = run_in(await send(desk, go="start"))
        assert (await desk.docs("submissions", _id=run))[0]["event"]["options"]["review"] is False

    async def test_files_are_notes(self, desk: Desk) -> None:
        files = [("files", ("b.md", "\ufeff## Zwei äöü".encode())), ("files", (f"{EVIL}.md", b"## Three"))]
        run = run_in(await send(desk, files=files))
        notes = (await desk.docs("submissions", _id=run))[0]["event"]["notes"]
        assert [(note["name"], note["text"]) for note in notes] == [("a.md", NOTES), ("b.md", "## Zwei äöü"), (f"{EVIL}.md", "## Three")]

    async def test_a_double_click_is_one_run(self, desk: Desk) -> None:
        first, second = run_in(await send(desk)), run_in(await send(desk))
        changed = run_in(await send(desk, note_text=[NOTES + "more"]))
        assert first == second
        assert changed != first

    async def test_what_was_taken_in_part_is_the_same_run_when_it_is_sent_again(self, desk: Desk) -> None:
        run = run_in(await send(desk))
        # As if the service had died after it took the key: what was sent is not kept yet.
        await desk.ground.database["submissions"].delete({"_id": run})
        assert run_in(await send(desk)) == run
        assert [doc["_id"] for doc in await desk.docs("submissions", kind="submission")] == [run]

    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ({"note_text": [""]}, "there is nothing to do"),
            ({"inputs": "version"}, "inputs, line 1"),
            ({"inputs": "a=1\na=2"}, "inputs, line 2"),
            ({"max_tasks": "many"}, "max_tasks"),
            ({"planner": "outlin"}, "did you mean outline?"),
            ({"files": [("files", ("a.md", b"twice"))]}, "two files named"),
            ({"files": [("files", ("x.bin", b"\xff\xfe\x00"))]}, "x.bin: is no text"),
        ],
    )
    async def test_what_is_wrong_is_said_on_the_page(self, desk: Desk, fields: dict[str, Any], said: str) -> None:
        answer = await desk.as_("sue").post(
            "/submit",
            data={"key": "k", "note_name": ["a.md"], "note_text": [NOTES], **{k: v for k, v in fields.items() if k != "files"}},
            files=fields.get("files"),
            headers={"HX-Request": "true"},
        )
        assert answer.status_code == 422
        assert answer.headers["hx-retarget"] == "#notice"
        assert re.search(re.escape(said), answer.text.replace("&#39;", "'"), re.IGNORECASE), answer.text

    async def test_too_much_is_a_413_that_says_so(self, desk: Desk) -> None:
        files = [("files", ("large.md", b"x" * (9 * 2**20)))]
        answer = await send(desk, files=files)
        assert (answer.status_code, answer.headers["content-type"]) == (413, "text/html; charset=utf-8")
        assert "larger than" in answer.text

    async def test_what_the_form_says_it_takes_is_taken_and_more_is_refused_in_its_words(self, desk: Desk) -> None:
        assert f"{size(MOST_NOTES)} at most" in (await desk.as_("sue").get("/submit")).text
        half = "x" * (MOST_NOTES // 2)
        files = [("files", ("b.md", half.encode()))]
        run_in(await send(desk, note_text=[half], files=files, max_tasks="3"))
        much = await send(desk, key="k2", note_text=[half + "x"], files=files)
        assert (much.status_code, f"more than the {MOST_NOTES} that one run may have" in much.text) == (413, True)

    async def test_only_who_may_submit_gets_there(self, desk: Desk) -> None:
        assert (await desk.as_("vic").get("/submit")).status_code == 403
        assert (await send(desk, "vic")).status_code == 403

    async def test_the_form_can_be_filled_with_an_earlier_submission(self, desk: Desk) -> None:
        run = run_in(await send(desk, prompt=EVIL, note_name=["evil.md"], inputs="a=1", max_depth="3"))
        page = (await desk.as_("sue").get("/submit", params={"from": run})).text
        assert EVIL not in page
        assert "&lt;script&gt;" in page
        assert 'value="evil.md"' in page
        assert 'value="3"' in page
        assert ">a=1</textarea>" in page

    async def test_all_that_was_submitted_is_in_the_form(self, desk: Desk) -> None:
        options = {"priority": 0, "concurrency": 2, "time_scale": 0.5, "max_width": 9, "inputs": {"a": "1\n2", "b": "3"}}
        body = {"notes": [{"name": "a.md", "text": NOTES}], "options": options}
        run = (await desk.as_("sue").post("/tasks", json=body)).json()["taskId"]
        page = (await desk.as_("sue").get("/submit", params={"from": run})).text
        fields = dict(re.findall(r'name="(\w+)"[^>]* value="([^"]*)"', page))
        inputs = re.search(r'<textarea id="inputs"[^>]*>([^<]*)</textarea>', page)
        assert inputs
        again = run_in(await send(desk, inputs=inputs[1].replace("\n", "\r\n"), **{name: fields[name] for name in LIMITS}))
        first, second = [(await desk.docs("submissions", _id=one))[0]["event"]["options"] for one in (run, again)]
        assert {**second, "review": False} == first


async def drafted(desk: Desk, *specs: TaskSpec, title: str = "Run") -> str:
    """A run whose plan waits to be approved."""
    run = new_id()
    header = {"_id": f"{run}@1", "part": False, "run_id": run, "task_id": run, "version": 1, "state": "proposed", "count": len(specs)}
    await desk.put("plans", {**header, "parts": 1, "planner": "outline", "title": title})
    await desk.put("plans", {"_id": f"{run}@1#0", "part": True, "run_id": run, "tasks": [spec.wire() for spec in specs]})
    question = f"{run}:plan:0"
    await desk.put("tasks", task(run, phase="awaiting_approval", approval_id=question, title=title, submitted_by="sue", epoch=0))
    asked = ApprovalRequested(
        run_id=run, task_id=run, approval_id=question, kind="plan_review", title=title, question="Good?", choices=("approve", "reject"),
        digest="d1",
    )  # fmt: skip
    await desk.hears(asked)
    return run


class TestPlan:
    async def test_shows_the_plan_and_starts_nothing(self, desk: Desk) -> None:
        run = await drafted(desk, TaskSpec(key="a", title=EVIL, agent="shell"), TaskSpec(key="b", title="Bee", after=("a",)))
        page = (await desk.as_("pat").get(f"/runs/{run}/plan")).text
        assert "nothing has started" in page
        assert "<script>alert" not in page
        assert f"/runs/{run}/start" in page
        assert f"/runs/{run}/start" not in (await desk.as_("sue").get(f"/runs/{run}/plan")).text
        assert not event_of(desk.said, ApprovalDecided, run)

    async def test_start_approves_what_was_shown(self, desk: Desk) -> None:
        run = await drafted(desk, TaskSpec(key="a", title="A"))
        form = {"approval": f"{run}:plan:0", "digest": "d1"}
        stale = await desk.as_("pat").post(f"/runs/{run}/start", data={**form, "digest": "d0"})
        assert stale.status_code == 409
        assert (await desk.as_("sue").post(f"/runs/{run}/start", data=form)).status_code == 403
        answer = await desk.as_("pat").post(f"/runs/{run}/start", data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/runs/{run}")
        assert (await desk.as_("pat").post(f"/runs/{run}/start", data=form)).status_code == 409
        assert len(event_of(desk.said, ApprovalDecided, run)) == 1

    async def test_the_approval_of_another_run_starts_nothing(self, desk: Desk) -> None:
        run, other = await drafted(desk, TaskSpec(key="a", title="A")), await drafted(desk, TaskSpec(key="b", title="B"))
        for approval in (f"{other}:plan:0", "none"):
            answer = await desk.as_("pat").post(f"/runs/{run}/start", data={"approval": approval, "digest": "d1"})
            assert answer.status_code == 404
        assert not event_of(desk.said, ApprovalDecided, other)

    async def test_discard_cancels(self, desk: Desk) -> None:
        run = await drafted(desk, TaskSpec(key="a", title="A"))
        assert (await desk.as_("sue").post(f"/runs/{run}/discard")).status_code == 303
        assert [event.action for event in event_of(desk.said, TaskControl, run) if isinstance(event, TaskControl)] == ["cancel"]

    async def test_who_discards_is_led_to_what_they_may_see(self, desk: Desk) -> None:
        for name, page in (("sue", "/submit"), ("pat", "/runs/{run}")):
            run = await drafted(desk, TaskSpec(key="a", title="A"))
            answer = await desk.as_(name).post(f"/runs/{run}/discard")
            assert answer.headers["location"] == page.format(run=run)
            assert (await desk.as_(name).get(answer.headers["location"])).status_code == 200

    async def test_what_was_started_meanwhile_is_not_discarded(self, desk: Desk) -> None:
        run = await drafted(desk, TaskSpec(key="a", title="A"))
        form = {"approval": f"{run}:plan:0", "digest": "d1"}
        assert (await desk.as_("pat").post(f"/runs/{run}/start", data=form)).status_code == 303
        late = await desk.as_("sue").post(f"/runs/{run}/discard")
        assert (late.status_code, "no draft any more" in late.text) == (409, True)
        assert not event_of(desk.said, TaskControl, run)

    async def test_errors_of_the_notes_stand_with_their_lines(self, desk: Desk) -> None:
        run = new_id()
        error = f"a.md:3: `after: Twoo` names no task; did you mean Two?\na.md:9: {EVIL}"
        header = {"_id": f"{run}@1", "run_id": run, "task_id": run, "version": 1, "state": "failed", "reason": "submitted", "error": error}
        await desk.put("plans", {**header, "parts": 0})
        failure = {"code": "no_plan", "message": error}
        await desk.put("tasks", task(run, phase="failed", open=False, plan_version=1, error=failure))
        page = (await desk.as_("sue").get(f"/runs/{run}/plan")).text
        assert "<li>a.md:3: " in page
        assert "<script>alert" not in page
        assert f"/submit?from={run}" in page

    async def test_until_there_is_a_plan_the_page_asks_again(self, desk: Desk) -> None:
        run = run_in(await send(desk))
        page = (await desk.as_("sue").get(f"/runs/{run}/plan")).text
        assert f'hx-get="/ui/runs/{run}/plan"' in page

    @pytest.mark.parametrize(("asks", "again"), [("plan", True), ("checkpoint", False)])
    async def test_until_somebody_is_asked_about_the_plan_the_page_asks_again(self, desk: Desk, asks: str, again: bool) -> None:
        """The task waits for the answer a moment before the question is there to be answered."""
        run = await drafted(desk, TaskSpec(key="a", title="A"))
        await desk.ground.database["approvals"].delete({"run_id": run})
        await desk.ground.database["tasks"].delete({"_id": run})
        await desk.put("tasks", task(run, phase="awaiting_approval", approval_id=f"{run}:{asks}:0"))
        page = (await desk.as_("pat").get(f"/runs/{run}/plan")).text
        assert (f'hx-get="/ui/runs/{run}/plan"' in page, "carried out" in page) == (again, not again)

    @pytest.mark.parametrize(
        ("error", "said"),
        [(None, "the run is cancelled"), ({"code": "cancelled", "message": "cancelled by pat: no"}, "cancelled by pat: no")],
    )
    async def test_of_a_run_that_is_over_no_plan_is_waited_for(self, desk: Desk, error: dict[str, str] | None, said: str) -> None:
        run = run_in(await send(desk))
        now = desk.ground.clock.now()
        await desk.put("tasks", task(run, phase="cancelled", open=False, created_at=now, finished_at=now, error=error))
        for path in (f"/runs/{run}/plan", f"/ui/runs/{run}/plan"):
            page = (await desk.as_("sue").get(path)).text
            assert ("nothing was started" in page, said in page, f'hx-get="/ui/runs/{run}/plan"' in page) == (True, True, False)


class TestPreview:
    def test_says_what_follows_from_the_plan(self) -> None:
        inner = (TaskSpec(key="x", title="X", estimate=30), TaskSpec(key="y", title="Y", estimate=5))
        specs = (
            TaskSpec(key="a", title="A", estimate=10, checks=({"kind": "command", "run": "test -s a"},)),
            TaskSpec(key="g", title="G", after=("a",), kind="group", subtasks=inner),
            TaskSpec(key="p", title="P", after=("g",), checkpoint=Checkpoint(approvers=("release",), required=2)),
        )
        plan = preview_of({"planner": "outline", "title": "Run"}, PlanPart(specs, 5))
        assert [(line.title, line.level, line.group, line.critical) for line in plan.lines] == [
            ("A", 1, 1, True), ("G", 1, 2, True), ("X", 2, 1, True), ("Y", 2, 1, False), ("P", 1, 3, False),
        ]  # fmt: skip
        assert (plan.total, plan.levels[0].forecast, plan.levels[1].path) == (5, 40.0, "G")
        assert plan.lines[0].checks == ["command test -s a"]
        assert plan.lines[-1].checkpoint == "approval before it, by release, 2 people"

    def test_a_large_plan_is_cut(self) -> None:
        plan = preview_of({"title": "Big"}, PlanPart(tuple(TaskSpec(key=f"t{n}", title=f"T {n}") for n in range(1_000)), 1_000))
        assert (plan.total, len(plan.lines), plan.more_lines) == (1_000, 300, 700)
        assert (len(plan.levels[0].groups[0][0]), plan.levels[0].groups[0][1]) == (12, 988)


class TestParts:
    def test_two_notes_of_one_name_are_refused(self) -> None:
        with pytest.raises(BadInput, match="two files named 'a'"):
            unambiguous([NotesFile(name="a", text="1"), NotesFile(name="a", text="2")])

    @pytest.mark.parametrize("value", ["", " ", "1", "1\n2", "\n", "\n\n1", "1\n", " 1", "1\n    2\n\n=3", "x=y", "\u20281"])
    def test_inputs_come_back_as_they_were(self, value: str) -> None:
        inputs = {"a": value, "b": "2", "c": value}
        assert inputs_of(input_lines(inputs)) == inputs
        assert inputs_of(input_lines(inputs).replace("\n", "\r\n")) == inputs

    def test_the_largest_body_is_the_largest_that_can_be_set(self) -> None:
        with pytest.raises(ValidationError):
            ApprovalsSettings(body_bytes=LARGEST_BODY + 1)

    def test_what_is_not_set_is_left_to_the_defaults(self) -> None:
        assert options_of({"planner": "", "max_tasks": " ", "inputs": "\n"}, review=True) == {"review": True, "inputs": {}}
