"""What people order, on real processes by the command line: pause, resume, retry, run again from here, taking over."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.contracts.phases import Action
from shared.contracts.plan import NotesFile, RunOptions
from tests.e2e.grove import Grove, until


def note(key: str, ledger: Path, *after: str, until: Path | str = "", needs: Path | str = "", **fields: Any) -> dict[str, Any]:
    """A task that writes its key into the ledger, then waits for a file, or fails for want of one."""
    args = {"path": str(ledger), "until": str(until), "needs": str(needs)}
    return {"key": key, "title": key, "agent": "python", "inputs": {"call": "noted", "args": args}, "after": list(after), **fields}


def noted(ledger: Path) -> Counter[str]:
    return Counter(ledger.read_text().split()) if ledger.exists() else Counter()


@pytest.fixture
def ledger(grove: Grove, tmp_path: Path) -> Path:  # noqa: ARG001 (it must be up)
    return tmp_path / "ledger"


async def started(grove: Grove, *tasks: dict[str, Any]) -> str:
    plan = NotesFile(name="plan.json", text=json.dumps({"title": "Orders", "tasks": tasks}))
    async with grove.client() as client:
        return (await client.submit(notes=[plan], options=RunOptions(planner="import"))).run_id


async def ended(grove: Grove, run_id: str) -> str:
    async with grove.client() as client:
        return (await client.wait(run_id, timeout=60)).phase.value


async def there(ledger: Path, **wanted: int) -> None:
    """The ledger holds so many of each."""

    async def look() -> bool:
        found = noted(ledger)
        return all(found[key] >= count for key, count in wanted.items())

    await until(look, what=str(wanted))


async def phase_of(grove: Grove, task_id: str, wanted: Callable[[str], bool]) -> None:
    async def look() -> bool:
        async with grove.client() as client:
            return wanted((await client.task(task_id)).phase.value)

    await until(look, what=f"the phase of {task_id}")


async def test_pause_starts_nothing_new_and_resume_goes_on(grove: Grove, ledger: Path, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    group = {"key": "g", "title": "G", "subtasks": [note("x", ledger, until=gate), note("y", ledger, "x")]}
    run_id = await started(grove, group, note("z", ledger, "g"))
    await there(ledger, x=1)
    paused = await grove.cli("pause", run_id)
    assert paused.status == 0, paused.said
    gate.touch()
    await asyncio.sleep(1.5)
    assert noted(ledger) == {"x": 1}
    assert (await grove.cli("resume", run_id)).status == 0
    assert await ended(grove, run_id) == "completed"
    assert noted(ledger) == {"x": 1, "y": 1, "z": 1}


async def test_retry_of_a_task_that_failed(grove: Grove, ledger: Path, tmp_path: Path) -> None:
    good = tmp_path / "good"
    broken = note("b", ledger, "a", needs=good, retries=0, on_failure="fail")
    run_id = await started(grove, note("a", ledger), broken, note("c", ledger, "b"))
    assert await ended(grove, run_id) == "failed"
    good.touch()
    retried = await grove.cli("retry", f"{run_id}.2")
    assert retried.status == 0, retried.said
    assert await ended(grove, run_id) == "completed"
    assert noted(ledger) == {"a": 1, "b": 2, "c": 1}


async def test_run_again_from_here(grove: Grove, ledger: Path) -> None:
    group = {"key": "g", "title": "G", "after": ["b"], "subtasks": [note("x", ledger), note("y", ledger, "x")]}
    run_id = await started(grove, note("a", ledger), note("b", ledger, "a"), group, note("d", ledger, "g"), note("e", ledger))
    assert await ended(grove, run_id) == "completed"
    asked = await grove.cli("rerun", f"{run_id}.2")
    assert asked.status != 0, "without a terminal it is not done unless told so"
    assert "b: 5 tasks will be done again, 2 are kept" in asked.said
    done = await grove.cli("rerun", f"{run_id}.2", "--yes", "--reason", "other numbers", "--json")
    assert done.status == 0, done.said
    assert await ended(grove, run_id) == "completed"
    assert noted(ledger) == {"a": 1, "b": 2, "x": 2, "y": 2, "d": 2, "e": 1}
    assert (await grove.cli("rerun", "nowhere", "--yes")).status == 2
    entries = [doc["detail"] for doc in await grove.docs("audit", what="control", subject=f"{run_id}.2")]
    assert [(entry["action"], entry["reason"]) for entry in entries] == [("rerun", "other numbers")]


async def test_run_again_though_the_sequencer_is_killed_at_it(grove: Grove, ledger: Path) -> None:
    """The order is kept before it is said: who comes after the one that died carries it out."""
    wide = [note(f"w{number}", ledger, "a") for number in range(20)]
    run_id = await started(grove, note("a", ledger), *wide, note("z", ledger, *(one["key"] for one in wide)))
    assert await ended(grove, run_id) == "completed"
    async with grove.client() as client:
        version = (await client.rerun_preview(f"{run_id}.1")).version
        order = asyncio.create_task(client.update(f"{run_id}.1", Action.RERUN, version=version))
        await asyncio.sleep(0.02)
        grove.kill("sequencer")
        await order
    await there(ledger, z=2)
    assert await ended(grove, run_id) == "completed"
    assert noted(ledger) == {"a": 2, "z": 2} | {one["key"]: 2 for one in wide}


async def test_a_person_takes_over_while_an_executor_works(grove: Grove, ledger: Path, tmp_path: Path) -> None:
    run_id = await started(grove, note("a", ledger, until=tmp_path / "never"), note("b", ledger, "a"))
    await there(ledger, a=1)
    async with grove.client() as client:
        await client.update(f"{run_id}.1", Action.COMPLETE, result={"summary": "by hand", "data": {"n": 3}})
        await client.wait(run_id, timeout=60)
        task = await client.task(f"{run_id}.1")
    assert (task.phase, task.assigned_agent) == ("completed", "human")
    assert task.result is not None
    assert (task.result.summary, task.result.data) == ("by hand", {"n": 3})
    assert noted(ledger) == {"a": 1, "b": 1}

    async def attempts() -> bool:
        found = {doc["_id"].rpartition(":")[2]: doc["state"] for doc in await grove.docs("attempts", task_id=f"{run_id}.1")}
        return found == {"1": "cancelled", "2": "executed"}

    await until(attempts, what="the first attempt cancelled, the person's executed")  # the run does not wait for the one that is stopped
