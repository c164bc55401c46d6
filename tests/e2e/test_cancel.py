"""A cancelled run ends at once, wherever it is at work: scripts and all that they started, checks, calls of models, plans in the making."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import psutil
import pytest

from shared.contracts.phases import Action
from shared.contracts.plan import NotesFile, RunOptions
from tests.e2e.grove import Grove, alive, until
from tests.e2e.mute import Mute, mute

GENEROUS = 10.0
"""Seconds; what was measured is printed. On an idle machine it is less than one."""
STUBBORN = """\
trap '' TERM
sleep 3{mark}1 &
setsid sleep 3{mark}2 &
(setsid sh -c 'sleep 3{mark}3 & sleep 3{mark}4' &)
sleep 3{mark}5
"""
SLEEPERS = 5


@pytest.fixture(scope="module")
async def model() -> AsyncIterator[Mute]:
    async with mute() as model:
        yield model


@pytest.fixture(scope="module")
async def busy(model: Mute, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Grove]:
    """A Taskgrove whose model never answers."""
    grove = Grove(tmp_path_factory.mktemp("busy"), model.environment)
    await grove.up()
    yield grove
    await grove.down()


def sleepers(mark: str) -> list[psutil.Process]:
    """The processes that sleep for a time which only this test has."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if command[:1] == ["sleep"] and command[1].startswith(f"3{mark}"):
            found.append(process)
    return found


async def cancelled(grove: Grove, run_id: str) -> float:
    """When the order was given, on the monotonic clock."""
    async with grove.client() as client:
        began = time.monotonic()
        await client.update(run_id, Action.CANCEL)
    return began


async def submitted(grove: Grove, tasks: Sequence[dict[str, Any]]) -> str:
    plan = NotesFile(name="plan.json", text=json.dumps({"title": "Long", "tasks": tasks}))
    async with grove.client() as client:
        return (await client.submit(notes=[plan], options=RunOptions(planner="import"))).run_id


def measured(what: str, seconds: float) -> None:
    print(f"\ncancel: {what} gone {seconds:.2f} s after the order (load {psutil.getloadavg()[0]:.1f})")
    assert seconds < GENEROUS


async def gone(which: list[psutil.Process], began: float) -> float:
    while alive(which):
        assert time.monotonic() - began < 3 * GENEROUS, f"{alive(which)} run on"
        await asyncio.sleep(0.01)
    return time.monotonic() - began


async def test_scripts_two_levels_down_and_all_that_they_started(busy: Grove) -> None:
    mark = f"{time.time_ns() % 10**6:06}"
    script = {"key": "s", "title": "S", "agent": "shell", "inputs": {"script": STUBBORN.format(mark=mark)}}
    inner = {"key": "h", "title": "H", "subtasks": [script, {**script, "key": "t", "after": ["s"]}]}
    run_id = await submitted(busy, [{"key": "g", "title": "G", "subtasks": [inner]}])
    await until(lambda: _count(mark, SLEEPERS), what=f"{SLEEPERS} processes")
    which = sleepers(mark)
    measured(f"{len(which)} processes of a script that ignores SIGTERM", await gone(which, await cancelled(busy, run_id)))
    states = {doc["phase"] for doc in await busy.docs("tasks", run_id=run_id)}
    assert states == {"cancelled"}
    await asyncio.sleep(1)
    assert sleepers(mark) == [], "nothing is started again"


async def test_a_check_that_runs(busy: Grove) -> None:
    mark = f"{time.time_ns() % 10**6:06}"
    check = {"kind": "command", "run": f"sleep 3{mark}1 & sleep 3{mark}2"}
    run_id = await submitted(busy, [{"key": "a", "title": "A", "agent": "shell", "inputs": {"script": "true"}, "checks": [check]}])
    await until(lambda: _count(mark, 2), what="the check")
    measured("the processes of a check", await gone(sleepers(mark), await cancelled(busy, run_id)))
    verdict = await until(lambda: _done(busy, run_id), what="a verdict that waits for nothing")
    assert verdict["judgement"] == "cancelled"


async def test_a_model_that_works_and_one_that_judges(busy: Grove, model: Mute) -> None:
    judged = {"kind": "model", "criteria": "It is good."}
    working = {"key": "w", "title": "W", "agent": "model", "description": "Write something."}
    done = {"key": "d", "title": "D", "agent": "shell", "inputs": {"script": "echo hello > a.txt"}, "checks": [judged]}
    asked, hung_up = len(model.asked), len(model.hung_up)
    run_id = await submitted(busy, [working, done])
    await until(lambda: _asked(model, asked + 2), what="two questions")
    began = await cancelled(busy, run_id)
    await until(lambda: _hung_up(model, hung_up + 2), what="both to hang up")
    measured("the calls of an agent and of a judge", max(model.hung_up[hung_up:]) - began)
    assert len(model.asked) == asked + 2


async def test_a_plan_in_the_making(busy: Grove, model: Mute) -> None:
    """The run is not there yet: it comes to be, cancelled, and can be tried again."""
    asked, hung_up = len(model.asked), len(model.hung_up)
    async with busy.client() as client:
        run_id = (await client.submit("Plan something.")).run_id
    await until(lambda: _asked(model, asked + 1), what="the planner's question")
    began = await cancelled(busy, run_id)
    await until(lambda: _hung_up(model, hung_up + 1), what="the planner to hang up")
    measured("the call of a planner", model.hung_up[hung_up] - began)
    async with busy.client() as client:
        assert (await client.task(run_id)).phase == "cancelled"
        await client.update(run_id, Action.RETRY)
    await until(lambda: _asked(model, asked + 2), what="the planner to ask again")
    await cancelled(busy, run_id)


async def _count(mark: str, count: int) -> bool:
    return len(sleepers(mark)) >= count


async def _asked(model: Mute, count: int) -> bool:
    return len(model.asked) >= count


async def _hung_up(model: Mute, count: int) -> bool:
    return len(model.hung_up) >= count


async def _done(grove: Grove, run_id: str) -> dict[str, Any] | None:
    found = await grove.docs("verdicts", run_id=run_id, task_id=f"{run_id}.1", state="done")
    return found[0] if found else None
