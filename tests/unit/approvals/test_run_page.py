"""The page of a run: bounded whatever its size, and nothing that a task says is taken for markup."""

import re
from collections import Counter
from typing import Any

import httpx2

from services.approvals.web.logs import LATE
from services.approvals.web.run_actions import disposition
from services.approvals.web.tree import ROWS
from shared.contracts.approvals import TaskControl
from shared.contracts.sequencer import ApprovalRequested
from shared.ids import new_id
from tests.unit.approvals.desk import Desk, attempt, event_of, model_call, task, verdict

EVIL = "<script>alert(1)</script>"


async def planned(desk: Desk, parent: str, count: int, **fields: Any) -> None:
    """A group of `count` children, as planner and sequencer leave it."""
    run = parent.partition(".")[0]
    header = {"_id": f"{parent}@1", "part": False, "run_id": run, "task_id": parent, "version": 1, "state": "proposed", "count": count}
    await desk.put("plans", {**header, "parts": 0})
    await desk.put("tasks", task(parent, kind="group", phase="expanded", children=count, plan_version=1, **fields))


async def a_run(desk: Desk, *, size: int = 3) -> str:
    """A run with one level of tasks."""
    run = new_id()
    await planned(desk, run, size)
    await desk.put("tasks", *(task(f"{run}.{n}", title=f"Number {n}") for n in range(1, size + 1)))
    return run


def places(answer: httpx2.Response) -> list[str]:
    """The places of the rows in it, in order."""
    assert answer.status_code == 200, answer.text
    return re.findall(r'<tr id="row-[^"]*" data-place="([^"]*)"', answer.text)


class TestRows:
    async def test_the_page_opens_the_root(self, desk: Desk) -> None:
        run = await a_run(desk)
        answer = await desk.as_("vic").get(f"/runs/{run}")
        assert places(answer) == ["", "1", "2", "3"]
        assert 'aria-expanded="true" aria-selected="true"' in answer.text

    async def test_the_page_opens_what_leads_to_the_selected_task(self, desk: Desk) -> None:
        run = await a_run(desk)
        await planned(desk, f"{run}.9", 2)
        await desk.ground.database["plans"].update({"_id": f"{run}@1"}, {"$set": {"count": 9}})
        await desk.put("tasks", task(f"{run}.9.1"), task(f"{run}.9.2"))
        assert places(await desk.as_("vic").get(f"/runs/{run}")) == ["", "1", "2", "3", "9"]
        assert places(await desk.as_("vic").get(f"/runs/{run}", params={"task": "9.2"})) == ["", "1", "2", "3", "9", "9.1", "9.2"]

    async def test_a_large_group_comes_in_windows_without_a_gap(self, desk: Desk) -> None:
        run = await a_run(desk, size=2 * ROWS + 50)
        vic = desk.as_("vic")
        page = await vic.get(f"/runs/{run}")
        assert len(places(page)) == 1 + ROWS
        assert f"of {ROWS + 50}</button>" in page.text
        windows = [places(await vic.get(f"/ui/runs/{run}/rows", params={"start": start})) for start in (0, ROWS, 2 * ROWS)]
        assert [place for window in windows for place in window] == [str(n) for n in range(1, 2 * ROWS + 51)]

    async def test_a_task_far_down_is_shown_with_some_of_its_neighbours(self, desk: Desk) -> None:
        run = await a_run(desk, size=3 * ROWS)
        page = await desk.as_("vic").get(f"/runs/{run}", params={"task": str(2 * ROWS)})
        shown = places(page)[1:]
        assert str(2 * ROWS) in shown
        assert len(shown) == ROWS
        before = int(shown[0]) - 1
        assert f"earlier of {before}</button>" in page.text
        earlier = await desk.as_("vic").get(f"/ui/runs/{run}/rows", params={"start": before, "before": "true"})
        assert places(earlier) == [str(n) for n in range(before - ROWS + 1, before + 1)]

    async def test_live_brings_the_rows_that_are_asked_for(self, desk: Desk) -> None:
        run = await a_run(desk)
        await desk.put("attempts", attempt(f"{run}.2", state="running", usage={}))
        answer = await desk.as_("vic").get(f"/ui/runs/{run}/live", params={"rows": "-,2,77"})
        assert places(answer) == ["", "2"]
        assert 'data-place="2" data-phase="running"' in answer.text

    async def test_finds_by_title_and_by_phase(self, desk: Desk) -> None:
        run = await a_run(desk, size=12)
        await desk.ground.database["tasks"].update({"_id": f"{run}.7"}, {"$set": {"phase": "failed", "title": "Odd (one)"}})
        vic = desk.as_("vic")
        assert places(await vic.get(f"/ui/runs/{run}/found", params={"text": "ODD (o"})) == ["7"]
        assert places(await vic.get(f"/ui/runs/{run}/found", params={"phase": "failed"})) == ["7"]
        nothing = await vic.get(f"/ui/runs/{run}/found", params={"text": EVIL})
        assert places(nothing) == []
        assert EVIL not in nothing.text

    async def test_a_cost_that_is_not_all_of_it_says_so(self, desk: Desk) -> None:
        """In the head, in each row above what is not known, and in the panel; what is known whole is as it was."""
        run = await a_run(desk)
        await desk.put("executor_calls", model_call(f"{run}.1"), model_call(f"{run}.2"), model_call(f"{run}.2", 2, usd=None))
        await desk.put("executor_calls", model_call(f"{run}.3", usd=None, prompt_tokens=None, completion_tokens=None))
        text = (await desk.as_("vic").get(f"/runs/{run}", params={"task": "2"})).text
        costs = re.findall(r'<td class="cost number">(?:<span title="([^"]*)">)?([^<]*)', text)
        assert costs == [
            ("without 2 model calls whose price is not known", "at least $1.00"),
            ("", "$0.50"),
            ("without 1 model call whose price is not known", "at least $0.50"),
            ("", ""),
        ]
        assert re.findall(r"<dt>Cost</dt><dd>(?:<span[^>]*>)?([^<]*)", text) == ["at least $1.00", "at least $0.50"]
        alone = (await desk.as_("vic").get(f"/ui/runs/{run}/panel", params={"task": "3"})).text
        assert "<dt>Cost</dt><dd>not known</dd>" in alone

    async def test_what_is_not_there_is_said(self, desk: Desk) -> None:
        run = await a_run(desk)
        for path in (f"/runs/{run}?task=99", "/runs/nowhere", f"/ui/runs/{run}/rows?task=99"):
            answer = await desk.as_("vic").get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")


class TestEscaping:
    async def test_nothing_that_a_task_says_is_markup(self, desk: Desk) -> None:
        run = await a_run(desk)
        name = f"{run}.1"
        change = {"title": EVIL, "description": EVIL, "inputs": {EVIL: EVIL}, "error": {"code": "x", "message": EVIL}, "agent": EVIL}
        await desk.ground.database["tasks"].update({"_id": name}, {"$set": change | {"notes": [EVIL], "approval_id": f"{name}:help:1"}})
        artifact = {"name": f'{EVIL}".html', "uri": "x", "sha256": "0" * 64, "bytes": 3}
        await desk.put("attempts", attempt(name, result={"summary": EVIL, "artifacts": [artifact], "data": {EVIL: EVIL}}))
        seen = [{"check": EVIL, "passed": False, "detail": EVIL, "output": EVIL, "seconds": 0.1}]
        await desk.put("verdicts", verdict(name, evidence=seen))
        asked = ApprovalRequested(
            run_id=run,
            task_id=name,
            approval_id=f"{name}:help:1",
            kind="escalation",
            title=EVIL,
            question=EVIL,
            choices=("fail",),
            digest="d",
        )
        await desk.hears(asked)
        await desk.put(
            "logs", {"_id": "1", "ts": desk.ground.clock.now() - 2 * LATE, "level": "info", "run_id": run, "event": "x", "message": EVIL}
        )
        paths = (f"/runs/{run}?task=1", f"/ui/runs/{run}/panel?task=1", f"/ui/runs/{run}/live?rows=1", f"/ui/runs/{run}/logs")
        for path in paths:
            answer = await desk.as_("pat").get(path)
            assert answer.status_code == 200
            assert "alert(1)" in answer.text
            assert "<script>alert" not in answer.text
            assert "script-src 'self'" in answer.headers["content-security-policy"]

    async def test_a_file_is_a_download_whatever_its_name(self, desk: Desk) -> None:
        kept = await desk.deps.artifacts.put_bytes(b"<script>alert(1)</script>", name="a.html")
        run = await a_run(desk)
        answer = await desk.as_("vic").get(f"/ui/runs/{run}/files/{kept.sha256}", params={"name": "out/a\r\n\"b'<é>.html"})
        assert answer.content == b"<script>alert(1)</script>"
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert (
            answer.headers["content-disposition"]
            == "attachment; filename=\"out-a_b____.html\"; filename*=UTF-8''out-a%22b%27%3C%C3%A9%3E.html"
        )

    def test_a_name_cannot_break_out_of_the_header(self) -> None:
        for name in ('a"; filename=evil', "a\r\nSet-Cookie: x", "../../etc/passwd", "", "\u202egnp.exe", "x" * 5_000):
            said = disposition(name)
            assert said.startswith('attachment; filename="')
            assert said.isascii()
            assert said.isprintable()
            assert Counter(said)['"'] == 2
            assert len(said) < 2_000


class TestPanel:
    async def test_offers_what_is_legal_to_whom_it_is(self, desk: Desk) -> None:
        run = await a_run(desk)
        await desk.ground.database["tasks"].update({"_id": f"{run}.1"}, {"$set": {"phase": "failed", "open": False}})

        async def offered(person: str, place: str) -> list[str]:
            answer = await desk.as_(person).get(f"/ui/runs/{run}/panel", params={"task": place})
            return re.findall(r'name="action" value="(\w+)"', answer.text)

        assert await offered("pat", "1") == ["retry", "rerun"]
        assert await offered("pat", "2") == ["pause", "cancel"]
        assert await offered("vic", "2") == []
        assert await offered("sue", "2") == []

    async def test_before_a_task_is_done_again_it_says_what_that_means(self, desk: Desk) -> None:
        run = await a_run(desk, size=2)
        await desk.put("tasks", task(f"{run}.3", dependencies=[f"{run}.1"]), task(f"{run}.4", dependencies=[f"{run}.3"]))
        await desk.ground.database["tasks"].update({"_id": f"{run}.1"}, {"$set": {"phase": "completed", "open": False, "version": 4}})
        page = (await desk.as_("pat").get(f"/ui/runs/{run}/panel", params={"task": "1"})).text
        assert f'data-ask="/ui/runs/{run}/rerun?task=1">Run again from here' in page
        assert '<input type="hidden" name="version" value="4">' in page
        asked = await desk.as_("pat").get(f"/ui/runs/{run}/rerun", params={"task": "1"})
        assert asked.text == "Do “Number 1” again, and with it 2 tasks that come after it or below it? Kept as it is: 1 task."
        stale = await desk.as_("pat").post(f"/ui/runs/{run}/order", data={"task": "1", "action": "rerun", "version": "3"})
        assert stale.status_code == 409

    async def test_an_order_goes_the_way_of_the_api(self, desk: Desk) -> None:
        run = await a_run(desk)
        answer = await desk.as_("pat").post(f"/ui/runs/{run}/order", data={"task": "2", "action": "pause"})
        assert (answer.status_code, answer.headers["location"]) == (303, f"/runs/{run}?task=2")
        assert [event.task_id for event in event_of(desk.said, TaskControl, run) if isinstance(event, TaskControl)] == [f"{run}.2"]
        assert [entry["detail"]["action"] for entry in await desk.docs("audit", what="control")] == ["pause"]
        assert (await desk.as_("vic").post(f"/ui/runs/{run}/order", data={"task": "2", "action": "pause"})).status_code == 403
        assert (await desk.as_("pat").post(f"/ui/runs/{run}/order", data={"task": "2", "action": "retry"})).status_code == 409


class TestGraph:
    async def test_nodes_say_their_state_in_words(self, desk: Desk) -> None:
        run = await a_run(desk)
        change = {"dependencies": [f"{run}.1"], "phase": "completed"}
        await desk.ground.database["tasks"].update({"_id": f"{run}.2"}, {"$set": change})
        await desk.put("sequences", {"_id": f"{run}@1", "run_id": run, "task_id": run, "critical_path": [f"{run}.1", f"{run}.2"]})
        graph = (await desk.as_("vic").get(f"/ui/runs/{run}/graph", params={"task": "2"})).json()
        assert graph["edges"] == [{"source": "1", "target": "2", "critical": True}]
        assert [(node["place"], node["words"], node["mark"], node["critical"]) for node in graph["nodes"]] == [
            ("1", "ready", "○", True),
            ("2", "completed", "✓", True),
            ("3", "ready", "○", False),
        ]

    async def test_a_large_group_is_only_counted(self, desk: Desk) -> None:
        run = await a_run(desk, size=301)
        graph = (await desk.as_("vic").get(f"/ui/runs/{run}/graph")).json()
        assert (graph["total"], graph["nodes"]) == (301, None)
