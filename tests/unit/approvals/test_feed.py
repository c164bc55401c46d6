"""GET /tasks/{id}/events: everything once and in order, resumed without a gap, live, and at an end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2

from services.approvals.api.events import Stream
from services.approvals.live import MOST_CHARACTERS, MOST_LINES, Hub, Watcher
from services.approvals.store import WEEK
from services.approvals.store.feed import Feed
from shared.clock import ServerClock
from shared.contracts.approvals import TaskSubmitted
from shared.contracts.executor import AgentProgress
from shared.contracts.plan import NotesFile
from shared.contracts.sequencer import TaskCompleted, TaskReady, TaskReopened
from shared.http import Server
from shared.ids import new_id
from tests.unit.approvals.desk import Desk, event_of, task, until

Seen = tuple[str, str, Any]


@asynccontextmanager
async def served(desk: Desk) -> AsyncIterator[httpx2.AsyncClient]:
    """The app behind a real HTTP server: a stream that does not end cannot be read otherwise."""
    server = Server(desk.app, host="127.0.0.1", port=0)
    serving = asyncio.create_task(server.listen())
    while not server.started:
        await asyncio.sleep(0.005)
    headers = {"Authorization": f"Bearer {desk.keys['vic']}"}
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{server.port()}", headers=headers, trust_env=False) as client:
        yield client
    desk.deps.hub.close()
    server.leave(5)
    await serving


async def read(client: httpx2.AsyncClient, task_id: str, *, most: int = 1_000, last: str = "") -> list[Seen]:
    """What the stream says until it ends, or until `most` events."""
    seen: list[Seen] = []
    headers = {"Last-Event-ID": last} if last else {}
    async with asyncio.timeout(10), client.sse(f"/tasks/{task_id}/events", headers=headers) as source:
        assert source.response.status_code == 200
        async for event in source:
            seen.append((event.id, event.event, event.json()))
            if len(seen) >= most:
                break
    return seen


class LaterClock(ServerClock):
    """A clock that can be set forward."""

    later = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.later


class TestWatcher:
    def test_keeps_no_more_than_what_a_slow_client_may_still_want(self) -> None:
        watcher = Watcher()
        for number in range(MOST_LINES):
            watcher.wake({"lines": [str(number), "x" * (MOST_CHARACTERS // 10)]})
        kept = [progress["lines"][0] for progress in watcher.progress()]
        assert kept == [str(number) for number in range(MOST_LINES - 9, MOST_LINES)]
        for number in range(2 * MOST_LINES):
            watcher.wake({"lines": [str(number)]})
        assert len(watcher.progress()) == MOST_LINES
        assert watcher.progress() == []


class TestFeed:
    async def test_resumes_without_a_gap(self, desk: Desk) -> None:
        run = new_id()
        await desk.put("tasks", task(run, phase="expanded"))
        for n in range(1, 8):
            await desk.hears(TaskReady(run_id=run, attempts=(f"{run}.{n}:1",)))
        async with served(desk) as client:
            first = await read(client, run, most=3)
            rest = asyncio.create_task(read(client, run, last=first[-1][0]))
            await desk.hears(TaskCompleted(run_id=run, tasks=(f"{run}.1",)))
            await desk.ground.database["tasks"].update(
                {"_id": run}, {"$set": {"phase": "completed", "finished_at": desk.ground.clock.now()}}
            )
            await desk.hears(TaskCompleted(run_id=run, tasks=(run,)))
            seen = [*first, *await rest]
        assert [identifier for identifier, *_ in seen[:-1]] == [str(n) for n in range(1, 10)]
        assert [data["attempts"] for _, name, data in seen if name == "task.ready"] == [[f"{run}.{n}:1"] for n in range(1, 8)]
        assert seen[-1][1:] == ("end", {"runId": run, "phase": "completed"})

    async def test_two_writers_leave_no_gap(self, desk: Desk) -> None:
        run, hub = new_id(), Hub()
        feeds = [Feed(desk.ground.database, desk.ground.clock, hub.wake) for _ in range(3)]
        events = [TaskReady(run_id=run, attempts=(f"{run}.{n}:1",)) for n in range(60)]
        await asyncio.gather(*(feeds[n % 3].append([event]) for n, event in enumerate(events)))
        docs = await feeds[0].after(run, 0)
        assert [doc["seq"] for doc in docs] == list(range(1, 61))
        assert {doc["data"]["attempts"][0] for doc in docs} == {event.attempts[0] for event in events}

    async def test_writers_go_on_alike_when_all_that_was_known_of_a_run_is_forgotten(self, desk: Desk) -> None:
        run, clock = new_id(), LaterClock()
        first, second = (Feed(desk.ground.database, clock, Hub().wake) for _ in range(2))
        for _ in range(3):
            await first.append([TaskReady(run_id=run, attempts=(f"{run}.1:1",))])
        await desk.ground.database["feed"].delete({"run_id": run})
        clock.later += WEEK
        for feed in (second, first, second):
            await feed.append([TaskReady(run_id=run, attempts=(f"{run}.2:1",))])
        assert [doc["seq"] for doc in await first.after(run, 0)] == [1, 2, 3]

    async def test_a_task_shows_what_is_below_it(self, desk: Desk) -> None:
        run = new_id()
        await desk.put("tasks", task(run, phase="completed"), task(f"{run}.1"), task(f"{run}.10"))
        await desk.hears(
            TaskReady(run_id=run, attempts=(f"{run}.1:1", f"{run}.1.2:1", f"{run}.10:1")), TaskReady(run_id=run, attempts=(f"{run}.10:1",))
        )
        async with served(desk) as client:
            seen = await read(client, f"{run}.1")
        assert [data["attempts"] for _, name, data in seen if name == "task.ready"] == [[f"{run}.1:1", f"{run}.1.2:1"]]

    async def test_progress_goes_to_those_who_watch_and_is_kept_nowhere(self, desk: Desk) -> None:
        run = new_id()
        await desk.put("tasks", task(run, phase="expanded"))
        async with served(desk) as client:
            watching = asyncio.create_task(read(client, run, most=1))
            await until(lambda: _watched(desk))
            await desk.ground.publisher.say([AgentProgress(run_id=run, task_id=f"{run}.1", lines=("compiling",))])
            assert [(identifier, name, data["lines"]) for identifier, name, data in await watching] == [
                ("", "agent.progress", ["compiling"])
            ]
        assert await desk.docs("feed") == []

    async def test_numbers_that_are_gone_start_over(self, desk: Desk) -> None:
        run = new_id()
        await desk.put("tasks", task(run, phase="failed"))
        await desk.hears(TaskReady(run_id=run, attempts=(f"{run}.1:1",)))
        async with served(desk) as client:
            assert [name for _, name, _ in await read(client, run, last="900")] == ["task.ready", "end"]

    async def test_ends_when_the_service_drains(self, desk: Desk) -> None:
        run = new_id()
        await desk.put("tasks", task(run, phase="expanded"))
        async with served(desk) as client:
            watching = asyncio.create_task(read(client, run))
            await until(lambda: _watched(desk))
            desk.deps.hub.close()
            assert await watching == []

    async def test_what_is_done_again_ends_again(self, desk: Desk) -> None:
        run = new_id()
        ended = {"$set": {"phase": "completed", "finished_at": desk.ground.clock.now()}}
        await desk.put("tasks", task(run, phase="completed", finished_at=desk.ground.clock.now()))
        await desk.hears(TaskCompleted(run_id=run, tasks=(run,)))
        stream = Stream(desk.deps, run, last=0)
        await stream.news()
        assert await stream.end()
        await desk.hears(TaskReopened(run_id=run, tasks=(f"{run}.1", run)), TaskCompleted(run_id=run, tasks=(f"{run}.1",)))
        await desk.ground.database["tasks"].update({"_id": run}, ended)
        await stream.news()
        assert await stream.end() is None, "its last news has not been said yet"
        await desk.hears(TaskCompleted(run_id=run, tasks=(run,)))
        await stream.news()
        assert await stream.end() == {"runId": run, "phase": "completed"}

    async def test_what_is_not_there_is_a_problem(self, desk: Desk) -> None:
        answer = await desk.as_("vic").get("/tasks/nowhere/events")
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")

    async def test_notes_are_not_kept_twice(self, desk: Desk) -> None:
        event = TaskSubmitted(run_id=new_id(), notes=(NotesFile(name="a.md", text="long"),))
        await desk.hears(event)
        assert (await desk.docs("feed", run_id=event.run_id))[0]["data"]["notes"] == [{"name": "a.md", "text": ""}]
        assert event_of(desk.said, TaskSubmitted, event.run_id) == [event]


async def _watched(desk: Desk) -> bool:
    return desk.deps.hub.count() == 1
