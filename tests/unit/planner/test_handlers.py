"""A plan is made once, said again when it is wanted again, and there is a reason where there is none."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import bson
import orjson
import pytest

from services.planner.handlers import on_plans_requested, on_tasks_submitted
from services.planner.keeping import Wanted
from services.planner.planning import Deps, sweep
from services.planner.wiring import wire
from shared.clock import ServerClock
from shared.contracts.approvals import TaskSubmitted
from shared.contracts.base import Event
from shared.contracts.plan import NotesFile, RunOptions
from shared.contracts.planner import PlanFailed, PlanProposed, PlanReason
from shared.contracts.sequencer import PlanRequested
from shared.errors import BadInput
from shared.memory.broker import MemoryBroker, MemoryExchange
from shared.memory.store import MemoryDatabase
from shared.service import lay_ground
from shared.settings import CommonSettings
from shared.storage.port import Database

NOOP = {"agent": "python", "inputs": {"call": "noop"}}
GROUP = {"key": "g", "title": "G", "subtasks": [{"key": "x", "title": "X", **NOOP}]}


@pytest.fixture
def database() -> Database:
    return MemoryDatabase(ServerClock())


@pytest.fixture
async def deps(database: Database, tmp_path: Path) -> Deps:
    settings = CommonSettings(artifacts_url=f"memory://{tmp_path}", work_dir=tmp_path)
    ground = lay_ground("planner", settings, broker=MemoryBroker(MemoryExchange()), database=database, clock=ServerClock())
    wired = (await wire(ground)).deps
    assert isinstance(wired, Deps)
    return wired


def submitted(*tasks: dict[str, Any], run_id: str = "run", **options: Any) -> TaskSubmitted:
    notes = NotesFile(name="plan.json", text=orjson.dumps({"tasks": tasks}).decode())
    return TaskSubmitted(run_id=run_id, notes=(notes,), options=RunOptions(planner="import", **options), submitted_by="ann")


def requested(reason: PlanReason, *, task_id: str = "run.1", version: int = 1) -> PlanRequested:
    return PlanRequested(run_id="run", task_id=task_id, version=version, reason=reason)


def only(says: Any) -> Event:
    (event,) = says
    assert isinstance(event, Event)
    return event


async def overdue(deps: Deps, database: Database) -> list[Event]:
    """What is said once all that waits is due."""
    await database["plans"].update({"due_at": {"$exists": True}}, {"$set": {"due_at": ServerClock().now()}})
    return list(await sweep(deps))


async def test_the_same_submission_twice_is_one_plan(deps: Deps, database: Database) -> None:
    says = await on_tasks_submitted([submitted(GROUP), submitted({"key": "other", "title": "Other", **NOOP})], deps)
    assert says == [PlanProposed(run_id="run", task_id="run", plan_id="run@1", version=1)] * 2
    headers = await database["plans"].find({"part": False}, sort=(("_id", 1),))
    assert [(header["_id"], header["count"]) for header in headers] == [("run.1@1", 1), ("run@1", 1)]


async def test_no_document_of_a_large_plan_comes_near_a_megabyte(deps: Deps, database: Database) -> None:
    described = [{"key": f"t{n}", "title": f"T {n}", "description": "x" * 8_000, **NOOP} for n in range(300)]
    await on_tasks_submitted([submitted(*described)], deps)
    parts = await database["plans"].find({"part": True}, sort=(("_id", 1),))
    assert max(len(bson.encode(part)) for part in parts) < 500_000
    pages = {int(part["_id"].rpartition("#")[2]): [task["key"] for task in part["tasks"]] for part in parts}
    assert [key for number in range(len(pages)) for key in pages[number]] == [f"t{n}" for n in range(300)]
    (header,) = await database["plans"].find({"part": False})
    assert header["parts"] == len(pages) > 5


async def test_what_is_odd_is_kept_where_a_person_will_look_first(deps: Deps, database: Database) -> None:
    for run, review in (("seen", True), ("unseen", False)):
        only(await on_tasks_submitted([submitted({"key": "a", "title": "A", **NOOP}, run_id=run, review=review)], deps))
    found = {doc["_id"]: doc["findings"] for doc in await database["plans"].find({"part": False})}
    assert [(one["severity"], one["path"]) for one in found["seen@1"]] == [("warning", ["A"])]
    assert found["unseen@1"] == []


async def test_a_nested_plan_is_there_when_it_is_wanted(deps: Deps) -> None:
    await on_tasks_submitted([submitted(GROUP)], deps)
    assert only(await on_plans_requested([requested("expand")], deps)) == PlanProposed(
        run_id="run", task_id="run.1", plan_id="run.1@1", version=1
    )


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (submitted({"key": "a", "title": "A", "after": ["b"], **NOOP}), "which is no sibling"),
        (submitted(GROUP, max_depth=1), "2 levels of tasks below the root, and the limit is 1"),
        (TaskSubmitted(run_id="run", options=RunOptions(planner="oracle")), "oracle"),
    ],
)
async def test_there_is_a_reason_where_there_is_no_plan(deps: Deps, event: TaskSubmitted, reason: str) -> None:
    first = only(await on_tasks_submitted([event], deps))
    assert isinstance(first, PlanFailed)
    assert reason in first.error
    assert only(await on_tasks_submitted([event], deps)) == first


async def test_whoever_had_a_plan_first_is_believed(deps: Deps) -> None:
    """Of two planners with one submission the slower one may give up when the plan of the other is there."""
    proposed = only(await on_tasks_submitted([submitted(GROUP)], deps))
    assert await deps.keeper.failed(Wanted("run", "run", 1, "submitted"), "it took too long") == proposed


async def test_a_planner_that_takes_too_long_says_what_to_set(deps: Deps) -> None:
    failed = only(await on_tasks_submitted([submitted(GROUP)], replace(deps, seconds=0.0)))
    assert isinstance(failed, PlanFailed)
    assert failed.error == "the planner 'import' took longer than 0 s; give it less, or more time by TASKGROVE_PLANNER_SECONDS"


async def test_a_run_is_planned_again_from_what_was_submitted(deps: Deps, database: Database) -> None:
    event = requested("submitted", task_id="run", version=2)
    failed = only(await on_plans_requested([event], deps))
    assert isinstance(failed, PlanFailed)
    assert "its submission is not kept" in failed.error
    await database["submissions"].insert([{"_id": "run", "event": submitted(GROUP).wire()}])
    again = requested("submitted", task_id="run", version=3)
    assert only(await on_plans_requested([again], deps)) == PlanProposed(run_id="run", task_id="run", plan_id="run@3", version=3)


async def test_there_is_no_second_plan_without_a_model(deps: Deps) -> None:
    failed = only(await on_plans_requested([requested("replan", version=2)], deps))
    assert isinstance(failed, PlanFailed)
    assert (failed.plan_id, failed.reason) == ("run.1@2", "replan")


async def test_the_last_proposal_counts_and_is_looked_over(deps: Deps, database: Database) -> None:
    attempt = {"state": "too_big", "reason": "a lot", "task_id": "run.1"}
    bad, good = {"key": "a", "title": "A", "agent": "nobody"}, {"key": "a", "title": "A", **NOOP}
    await database["attempts"].insert([{"_id": "run.1:9", "epoch": 9, **attempt, "proposal": [bad]}])
    failed = only(await on_plans_requested([requested("expand")], deps))
    assert isinstance(failed, PlanFailed)
    assert failed.error.startswith("a lot, and the breakdown that was proposed cannot be carried out:\nA: there is no agent 'nobody'")
    await database["attempts"].insert([{"_id": "run.1:10", "epoch": 10, **attempt, "proposal": [good]}])
    assert isinstance(only(await on_plans_requested([requested("expand", version=2)], deps)), PlanProposed)


@pytest.mark.parametrize("event", [submitted(GROUP), submitted()], ids=["proposed", "failed"])
async def test_the_plan_of_a_run_is_said_again_until_the_run_begins(deps: Deps, database: Database, event: TaskSubmitted) -> None:
    first = only(await on_tasks_submitted([event], deps))
    assert not await sweep(deps)
    assert await overdue(deps, database) == [first]
    await database["tasks"].insert([{"_id": "run", "run_id": "run"}])
    assert await overdue(deps, database) == []
    assert not await database["plans"].find({"due_at": {"$exists": True}})


async def test_an_id_that_no_run_can_have_is_poison(deps: Deps) -> None:
    with pytest.raises(BadInput, match="runId"):
        await on_tasks_submitted([submitted(GROUP, run_id="a.b")], deps)
