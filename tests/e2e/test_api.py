"""The HTTP API on the real house: what programs build on."""

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from shared.contracts.phases import Action, Phase
from shared.contracts.plan import NotesFile
from shared.contracts.views import DecisionRequest
from shared.errors import Conflict, Forbidden
from shared.ids import new_id
from tests.e2e.grove import Grove, ended, until
from tests.e2e.orchard import TASKS, orchard

TEXT = """# Words
## Hello

```sh
echo hello from the first
```
## Warn
- retries: 0
- on-failure: continue

```sh
echo what went wrong here; exit 3
```
"""


def notes(text: str) -> list[NotesFile]:
    return [NotesFile(name="notes.md", text=text)]


async def started(grove: Grove, text: str) -> str:
    """A run of these notes; its id."""
    async with grove.client() as client:
        return (await client.submit(notes=notes(text))).run_id


async def when(grove: Grove, task_id: str, *phases: Phase) -> None:
    """Wait until the task is seen in one of these phases."""

    async def is_so() -> bool:
        async with grove.client() as client:
            page = await client.tasks(run=task_id.partition(".")[0])
        return any(task.task_id == task_id and task.phase in phases for task in page.items)

    await until(is_so, what=f"{task_id} in {phases}")


async def test_a_submission_is_taken_once(grove: Grove) -> None:
    body = {"notes": [{"name": "notes.md", "text": TEXT}]}
    async with grove.http() as http:
        answers = [await http.post("/tasks", json=body, headers={"idempotency-key": "same"}) for _ in range(2)]
        first, second = answers
        assert (first.status_code, second.status_code) == (202, 202)
        assert first.json()["taskId"] == second.json()["taskId"]
        assert first.headers["location"] == f"/tasks/{first.json()['taskId']}"
        other = await http.post("/tasks", json={**body, "description": "another"}, headers={"idempotency-key": "same"})
        assert other.status_code == 422
        assert "take a new key" in other.json()["detail"]
    assert len(await grove.docs("submissions", _id=first.json()["taskId"])) == 1
    async with grove.client() as client:
        await client.wait(first.json()["taskId"], timeout=30)


async def heard(http: httpx2.AsyncClient, run_id: str, *, last: str | None, most: int) -> list[Any]:
    """Events of the stream, until `end` or until there are so many."""
    events: list[Any] = []
    async with http.sse(f"/tasks/{run_id}/events", headers={"last-event-id": last} if last else {}) as stream:
        async for event in stream:
            # Progress is for the moment: it has no number of its own, and bears the one before by the rules of the format.
            if event.event not in ("agent.progress", "end"):
                events.append(event)
            if event.event == "end" or len(events) >= most:
                break
    return events


async def test_a_run_is_followed_without_a_gap_though_the_stream_breaks(grove: Grove, tmp_path: Path) -> None:
    async with grove.client() as client:
        run_id = (await client.submit(notes=[orchard(tmp_path / "ledger", seconds=0.1)])).run_id
    async with grove.http() as http:
        before = await heard(http, run_id, last=None, most=5)
        after = await heard(http, run_id, last=before[-1].id, most=10_000)
        again = await heard(http, run_id, last=None, most=10_000)
    numbers = [int(event.id) for event in (*before, *after)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert [(event.id, event.event, event.data) for event in again] == [(event.id, event.event, event.data) for event in (*before, *after)]
    names = [event.event for event in again]
    assert names[0] == "task.submitted"
    completed = [task for event in again if event.event == "task.completed" for task in json.loads(event.data)["tasks"]]
    assert len(set(completed)) == len(completed) == TASKS + 1


async def test_a_cancelled_script_is_gone_within_a_second_or_so(grove: Grove) -> None:
    mark = f"86{int(new_id()[-7:], 16)}"
    run_id = await started(grove, f"# Long\n## Sleep\n\n```sh\nsleep {mark} & sleep {mark}\n```\n")

    def sleeping() -> list[psutil.Process]:
        return [process for process in psutil.process_iter(["cmdline"]) if mark in (process.info["cmdline"] or [])]

    async def begun() -> bool:
        return len(sleeping()) >= 2

    async def gone() -> bool:
        return not sleeping()

    await until(begun, what="the script at work")
    async with grove.client() as client:
        task = await client.update(f"{run_id}.1", Action.CANCEL, reason="no longer needed")
        assert task.phase is Phase.CANCELLED
        await until(gone, seconds=3, what="the end of the script's processes")
        assert (await client.wait(run_id, timeout=30)).status == "Failed"


async def test_what_is_paused_stands_still_until_it_is_resumed(grove: Grove) -> None:
    ticks = "for n in 1 2 3 4 5 6 7 8 9 10 11 12; do echo tick $n; sleep 0.2; done"
    run_id = await started(grove, f"# Ticks\n## Tick\n\n```sh\n{ticks}\n```\n## Next\n- after: Tick\n- agent: python\n- call: noop\n")

    async def lines() -> int:
        async with grove.client() as client:
            return len((await client.logs(run=run_id, grep="^tick")).items)

    await until(lines, what="the first tick")
    async with grove.client() as client:
        assert (await client.update(run_id, Action.PAUSE)).paused
        await asyncio.sleep(1.2)
        at_rest = await lines()
        await asyncio.sleep(1)
        assert await lines() == at_rest < 12
        assert not (await client.update(run_id, Action.RESUME)).paused
        assert (await client.wait(run_id, timeout=30)).status == "Completed"


async def test_two_of_two_must_approve(grove: Grove) -> None:
    run_id = await started(grove, "# Publish\n## Send\n- approval: before, by release, 2 of 2\n\n```sh\necho sent\n```\n")
    async with grove.client() as admin:
        keys = [await admin.create_principal(f"{name}-{run_id[-6:]}", roles=["approver"], groups=["release"]) for name in ("ada", "bob")]
        stranger = await admin.create_principal(f"eve-{run_id[-6:]}", roles=["approver"])
        asked = (await until(lambda: admin.approvals(run=run_id), what="the question"))[0]
        decision = DecisionRequest(approval_id=asked.approval_id, decision="approve", digest=asked.digest)
        async with grove.client(stranger) as client:
            with pytest.raises(Forbidden):
                await client.decide(decision)
        async with grove.client(keys[0]) as client:
            assert (await client.decide(decision)).state == "pending"
            with pytest.raises(Conflict):
                await client.decide(decision)
        assert (await admin.task(f"{run_id}.1")).phase is Phase.AWAITING_APPROVAL
        async with grove.client(keys[1]) as client:
            assert (await client.decide(decision)).state == "approve"
        assert (await admin.wait(run_id, timeout=30)).status == "Completed"
        assert (await admin.task(f"{run_id}.1")).attempt == 1


async def test_logs_are_searched_and_followed(grove: Grove) -> None:
    run_id = await started(grove, TEXT)
    following = await grove.spawn("logs", run_id, "--follow", "--grep", "hello|went wrong", "--json")
    async with grove.client() as client:
        await client.wait(run_id, timeout=30)

        async def there() -> bool:
            return len((await client.logs(run=run_id, grep="hello|went wrong")).items) >= 2

        await until(there, what="the lines of both scripts")
        of_task = (await client.logs(run=run_id, task=f"{run_id}.1")).items
        assert of_task
        assert {line.task_id for line in of_task} == {f"{run_id}.1"}
        warnings = (await client.logs(run=run_id, level="warning")).items
        assert {line.level for line in warnings} <= {"warning", "error", "critical"}
        assert any("exit" in line.message or "3" in line.message for line in warnings)
        assert [line.message for line in (await client.logs(run=run_id, grep="hello from")).items] == ["hello from the first"]
        assert len((await client.logs(run=run_id, text="wrong")).items) >= 1
    await asyncio.sleep(2)
    os.kill(following.pid, signal.SIGINT)
    followed = await ended(following, what="logs --follow")
    assert followed.status == 0, followed.said
    assert any("hello from the first" in line["message"] for line in followed.lines)
