"""The list of runs: how far each is, what it cost, who it waits for, page by page."""

import re
from typing import Any

from services.approvals.domain.principals import Principal
from services.approvals.glances import MOST_KEPT, SMALL, Glances
from services.approvals.store.reads import Reads
from services.approvals.store.sessions import Sessions
from services.approvals.summaries import Summaries
from services.approvals.web.overview import ROWS
from services.approvals.web.words import UNKNOWN
from shared.contracts.phases import Phase
from tests.unit.approvals.browsing import log_in
from tests.unit.approvals.desk import Desk, attempt, model_call, task
from tests.unit.approvals.test_pages import question


def run_id(number: int) -> str:
    return f"0198f0c2aaaa7bbb8ccc{number:012d}"


async def put_run(desk: Desk, number: int, *phases: str, **fields: Any) -> str:
    """A run with a task in each of these phases."""
    name = run_id(number)
    root = {"title": f"Run {number}", "phase": "expanded", "created_at": desk.ground.clock.now(), **fields}
    await desk.put("tasks", task(name, **root), *(task(f"{name}.{at}", phase=phase) for at, phase in enumerate(phases, 1)))
    return name


def shown(text: str) -> list[str]:
    return re.findall(r'href="/runs/\w+">([^<]*)</a>', text)


class TestList:
    async def test_a_run_in_a_line(self, desk: Desk) -> None:
        name = await put_run(desk, 1, "completed", "skipped", "failed", "ready", "blocked", "awaiting_approval")
        await desk.put("attempts", attempt(f"{name}.4", state="running"))
        await desk.put(
            "executor_calls",
            {"_id": "c", "run_id": name, "task_id": f"{name}.4", "prompt_tokens": 1200, "completion_tokens": 34, "usd": 0.0421},
        )
        await desk.put(
            "approvals", question("q", run_id=name, task_id=f"{name}.6", approvers=["release"], requested_at=desk.ground.clock.now())
        )
        text = (await (await log_in(desk, "vic")).get("/")).text
        assert "2 of 6 done, 1 failed or cancelled, 1 running, 1 waiting for a person" in text
        assert "1.2k tok · $0.04" in re.sub(r"\s+", " ", text)
        assert 'href="/inbox/q"' in text
        assert "release" in text

    async def test_what_is_not_known_is_a_dash(self, desk: Desk) -> None:
        name = await put_run(desk, 1, "ready")
        text = (await (await log_in(desk, "vic")).get("/ui/runs")).text
        assert re.search(f'class="usage"[^>]*>{UNKNOWN}</span>', text)
        assert "$0" not in text
        await desk.put("executor_calls", model_call(f"{name}.1"), model_call(f"{name}.1", 2, usd=None))
        text = (await (await log_in(desk, "vic")).get("/ui/runs")).text
        assert re.search(r'220 tok · <span title="without 1 model call whose price is not known">at least \$0\.50</span>', text)

    async def test_pages_by_cursor_the_newest_first(self, desk: Desk) -> None:
        for number in range(1, ROWS + 4):
            await put_run(desk, number)
        tab = await log_in(desk, "vic")
        first = (await tab.get("/")).text
        older = first.partition('">Older</a>')[0].rpartition('href="')[2].replace("&amp;", "&")
        assert shown(first) == [f"Run {number}" for number in range(ROWS + 3, 3, -1)]
        assert shown((await tab.get(older)).text) == ["Run 3", "Run 2", "Run 1"]
        assert "That is all" in (await tab.get(f"/?after={run_id(0)}")).text

    async def test_filters(self, desk: Desk) -> None:
        for number, phase in enumerate(("expanded", "awaiting_approval", "completed", "failed", "cancelled"), 1):
            await put_run(desk, number, phase=phase, title=f"{phase} (50% [x])")
        tab = await log_in(desk, "vic")
        found = {
            show: [one.split(" ")[0] for one in shown((await tab.get(f"/?show={show}")).text)] for show in ("active", "completed", "failed")
        }
        assert found == {"active": ["awaiting_approval", "expanded"], "completed": ["completed"], "failed": ["cancelled", "failed"]}
        assert len(shown((await tab.get("/")).text)) == 5
        assert len(shown((await tab.get("/?q=50%25 [X]")).text)) == 5
        assert "Nothing matches" in (await tab.get("/?q=nowhere")).text
        assert shown((await tab.get("/?show=nonsense")).text)[-1] == "expanded (50% [x])"

    async def test_where_nothing_is_it_says_how_to_begin(self, desk: Desk) -> None:
        assert "taskgrove run --notes PATH" in (await (await log_in(desk, "vic")).get("/")).text


def glances_of(desk: Desk) -> Glances:
    """As if nobody had looked before."""
    database, clock = desk.ground.database, desk.ground.clock
    return Glances(database, Summaries(Reads(database), clock), clock)


class TestGlances:
    async def test_large_and_small_runs_give_the_same(self, desk: Desk) -> None:
        phases = ["completed"] * 5 + ["failed"] * 2 + ["ready"] * 2 + ["blocked"] + ["escalated"]
        views, repeat = [], SMALL // len(phases) + 1
        for number, times in ((1, 1), (2, repeat)):
            name = await put_run(desk, number, *(phases * times))
            await desk.put("attempts", attempt(f"{name}.8", state="running"))
            views.append({"runId": name, "phase": "expanded", "version": 1})
        found = await glances_of(desk).of(views)
        small, large = (found[view["runId"]] for view in views)
        assert (small.total, small.ended, small.lost, small.active, small.asking) == (11, 7, 2, 1, 1)
        assert (large.total, large.ended, large.lost, large.active, large.asking) == (11 * repeat, 7 * repeat, 2 * repeat, 1, repeat)

    async def test_a_large_run_is_not_counted_to_see_that_it_is_large(self, desk: Desk) -> None:
        name = await put_run(desk, 1, *(["blocked"] * (SMALL + 1)))
        glances, view = glances_of(desk), {"runId": name, "phase": "expanded", "version": 1}
        assert (await glances.of([view]))[name].total == SMALL + 1
        await desk.ground.database["tasks"].delete({"run_id": name})
        assert (await glances.of([view]))[name].total == SMALL + 1, "through the summary, which is good for a moment"

    async def test_a_run_that_is_over_is_looked_at_once(self, desk: Desk) -> None:
        name = await put_run(desk, 1, "completed")
        glances, view = glances_of(desk), {"runId": name, "phase": "completed", "version": 3}
        before = (await glances.of([view]))[name]
        await desk.ground.database["tasks"].update({"_id": f"{name}.1"}, {"$set": {"phase": "failed"}})
        assert (await glances.of([view]))[name] is before
        assert (await glances.of([{**view, "version": 4}]))[name].phases == {Phase.FAILED: 1}

    async def test_a_list_of_known_and_new_runs_is_whole_however_many_are_known(self, desk: Desk) -> None:
        glances = glances_of(desk)
        views = [{"runId": run_id(number), "phase": "completed", "version": 1} for number in range(MOST_KEPT + 1)]
        await glances.of(views[:MOST_KEPT])
        assert set(await glances.of([views[0], views[MOST_KEPT]])) == {run_id(0), run_id(MOST_KEPT)}


async def test_sessions_are_of_principals_that_are_there(desk: Desk) -> None:
    sessions = Sessions(desk.ground.database, desk.ground.clock)
    opened = await sessions.open("pat")
    assert await sessions.who(opened.secret) == Principal("pat", frozenset({"approver"}), frozenset({"release"}))
