"""What a page of a run is told: everything, nothing twice, and in few signals however much happens."""

import asyncio
from typing import Any

import httpx2
import pytest

from services.approvals.web.stream import MOST_NAMED, Signal
from shared.contracts.executor import AgentProgress
from shared.contracts.sequencer import TaskCompleted, TaskReady
from shared.ids import new_id
from tests.unit.approvals.desk import Desk, task
from tests.unit.approvals.test_feed import served

Told = tuple[int, str, dict[str, Any]]


async def listen(client: httpx2.AsyncClient, run: str, *, until: str, last: str = "", after: int = 0) -> list[Told]:
    """What the stream says until it names this task, or all."""
    told: list[Told] = []
    headers = {"Last-Event-ID": last} if last else {}
    async with asyncio.timeout(10), client.sse(f"/ui/runs/{run}/stream?after={after}", headers=headers) as source:
        async for event in source:
            told.append((int(event.id), event.event, event.json()))
            if (
                until in told[-1][2].get("tasks", ())
                or until in told[-1][2].get("output", ())
                or (until == "all" and told[-1][2].get("all"))
            ):
                break
    return told


class TestStream:
    async def test_a_page_that_comes_back_is_told_what_it_missed_and_nothing_else(self, desk: Desk) -> None:
        run = new_id()
        await desk.put("tasks", task(run, phase="expanded"))
        await desk.hears(*(TaskReady(run_id=run, attempts=(f"{run}.{n}:1",)) for n in (1, 2)))
        async with served(desk) as client:
            first = await listen(client, run, until="2")
            await desk.hears(*(TaskCompleted(run_id=run, tasks=(f"{run}.{n}",)) for n in (3, 4)))
            second = await listen(client, run, until="4", last=str(first[-1][0]))
        assert [(number, name) for number, name, _ in first] == [(0, "hello"), (2, "changed")]
        assert second[0][:2] == (2, "hello")
        assert [data["tasks"] for _, name, data in second if name == "changed"] == [["3", "4"]]
        assert second[-1][0] == 4

    @pytest.mark.parametrize("path", ["/ui/runs/{}/stream", "/tasks/{}/events"])
    async def test_it_ends_with_the_key(self, desk: Desk, path: str) -> None:
        run = new_id()
        await desk.put("tasks", task(run, phase="expanded"))
        async with served(desk) as client, asyncio.timeout(10), client.sse(path.format(run)) as source:
            assert source.response.status_code == 200
            await desk.deps.principals.delete("vic")
            assert [event.event async for event in source] in ([], ["hello"])
            assert (await client.get(path.format(run))).status_code in (303, 401)

    async def test_a_page_goes_on_from_where_it_was_made(self, desk: Desk) -> None:
        run = new_id()
        await desk.put("tasks", task(run, phase="expanded"))
        await desk.hears(*(TaskReady(run_id=run, attempts=(f"{run}.{n}:1",)) for n in (1, 2, 3)))
        async with served(desk) as client:
            told = await listen(client, run, until="3", after=2)
        assert [data["tasks"] for _, name, data in told if name == "changed"] == [["3"]]

    @pytest.mark.parametrize("after", ["-1", str(2**63), "9" * 5_000])
    async def test_a_number_that_no_news_has_is_refused(self, desk: Desk, after: str) -> None:
        run = new_id()
        await desk.put("tasks", task(run, phase="expanded"))
        assert (await desk.as_("vic").get(f"/ui/runs/{run}/stream", params={"after": after})).status_code == 422

    @pytest.mark.parametrize("path", ["/ui/runs/{}/stream", "/tasks/{}/events"])
    @pytest.mark.parametrize("last", [str(2**63), "9" * 5_000, "\u00b2", "-1"])
    async def test_a_page_that_comes_back_with_nonsense_starts_over(self, desk: Desk, path: str, last: str) -> None:
        run = new_id()
        await desk.put("tasks", task(run, phase="expanded"))
        await desk.hears(TaskReady(run_id=run, attempts=(f"{run}.1:1",)))
        headers = {"Last-Event-ID": last.encode("latin-1")}
        async with served(desk) as client, asyncio.timeout(10), client.sse(path.format(run), headers=headers) as source:
            assert await anext(event.id async for event in source if event.event != "hello") == "1"

    async def test_a_burst_becomes_few_signals(self, desk: Desk) -> None:
        run = new_id()
        await desk.put("tasks", task(run, phase="expanded"))
        async with served(desk) as client:
            listening = asyncio.create_task(listen(client, run, until="all"))
            await desk.hears(*(TaskCompleted(run_id=run, tasks=(f"{run}.{n}",)) for n in range(1, 3_001)))
            told = await listening
        assert len(told) <= 4
        assert told[-1][2] == {"all": True, "tasks": [], "output": []}

    async def test_output_is_told_by_task(self, desk: Desk) -> None:
        run = new_id()
        await desk.put("tasks", task(run, phase="expanded"))
        async with served(desk) as client:
            listening = asyncio.create_task(listen(client, run, until="1"))
            while not desk.deps.hub.count():
                await asyncio.sleep(0.005)
            await desk.ground.publisher.say([AgentProgress(run_id=run, task_id=f"{run}.1", lines=("<b>compiling</b>",))])
            told = await listening
        assert told[-1][2] == {"all": False, "tasks": [], "output": ["1"]}


class TestSignal:
    def test_names_the_tasks_up_to_a_number(self) -> None:
        signal = Signal()
        signal.add([{"event": "task.executed", "data": {"runId": "r", "attempts": ["r.1:2", "r.2.1:1"]}}])
        signal.add([{"event": "approval.requested", "data": {"runId": "r", "taskId": "r.3"}}])
        assert signal.wire()["tasks"] == ["1", "2.1", "3"]
        signal.add([{"event": "task.completed", "data": {"runId": "r", "tasks": [f"r.{n}" for n in range(MOST_NAMED + 1)]}}])
        assert signal.wire() == {"all": True, "tasks": [], "output": []}

    def test_an_order_reaches_more_than_it_names(self) -> None:
        signal = Signal()
        signal.add([{"event": "task.control", "data": {"runId": "r", "taskId": "r.1"}}])
        assert signal.wire()["all"]
