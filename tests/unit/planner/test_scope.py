"""One task that needs a plan of its own: what a model is told of it, and where another model would only be paid for more of the same."""

from typing import Any

import pytest

from services.planner.keeping import Wanted
from services.planner.planners.base import Means, Scope
from services.planner.scope import around
from services.planner.store import PlanStore
from shared.clock import ServerClock
from shared.contracts.approvals import TaskSubmitted
from shared.contracts.plan import NotesFile
from shared.errors import LimitExceeded, ModelFailed
from shared.memory.store import MemoryDatabase
from tests.unit.planner.thinking import Said, answer, planned, said_task

EXPAND = Wanted("run", "run.1.1", 1, "expand")
REPLAN = Wanted("run", "run.1.1", 2, "replan", ("the tests do not pass",))
NOTES = NotesFile(name="a.md", text="# Site\n\n## Build\n\nWith make.\n\n## Publish\n\nSecret.\n")
SCOPE = Scope(title="Write the handbook", description="All of it.", why="it has 40 chapters", goals=(("Company", "Be good."),))


def task(task_id: str, **fields: Any) -> dict[str, Any]:
    """As the sequencer writes it, as far as it matters here."""
    parent = task_id.rpartition(".")[0]
    return {"_id": task_id, "run_id": "run", "parent_id": parent or None, "key": "k", "title": f"Task {task_id}", "kind": "group", **fields}


@pytest.fixture
async def database() -> MemoryDatabase:
    database = MemoryDatabase(ServerClock())
    too_big = {"phase": "expanding", "kind": "work", "notes": ["a.md#build"], "dependencies": ["run.1.2"], "inputs": {"script": "make"}}
    await database["tasks"].insert(
        [
            task("run", phase="expanded"),
            task("run.1", phase="expanded", description="Goal."),
            task("run.1.1", **too_big),
            task("run.1.2", key="get"),
        ]
    )
    await database["submissions"].insert([{"_id": "run", "event": TaskSubmitted(run_id="run", notes=(NOTES,)).wire()}])
    return database


def plans(database: MemoryDatabase) -> PlanStore:
    return PlanStore(database, ServerClock())


async def test_a_model_is_told_the_goals_above_its_notes_and_its_inputs(database: MemoryDatabase) -> None:
    found = await around(plans(database), EXPAND)
    assert found is not None
    found.refuse_if_hopeless(EXPAND)
    request = found.request(EXPAND, Means(Said(answer())), why="too much")
    scope = request.scope
    assert scope is not None
    assert (scope.title, scope.description, scope.why) == ("Task run.1.1", "make", "too much")
    assert scope.goals == (("Task run", ""), ("Task run.1", "Goal."))
    assert scope.needs == (("get", "Task run.1.2"),)
    assert [(one.name, one.text) for one in request.notes] == [("a.md#build", "## Build\n\nWith make.\n")]


async def test_notes_that_are_too_long_are_cut_and_say_so(database: MemoryDatabase) -> None:
    found = await around(plans(database), EXPAND)
    assert found is not None
    request = found.request(EXPAND, Means(Said(answer()), context_bytes=16), why="too much")
    assert request.notes[0].text == "## Build\n[… 13 bytes left out …]"


@pytest.mark.parametrize("change", [{"phase": "cancelled"}, {"phase": "ready"}, {"plan_version": 1}])
async def test_a_plan_that_nobody_waits_for_is_not_made(database: MemoryDatabase, change: dict[str, Any]) -> None:
    await database["tasks"].update({"_id": "run.1.1"}, {"$set": change})
    assert await around(plans(database), EXPAND) is None
    assert await around(plans(database), Wanted("run", "run.9", 1, "expand")) is None


async def test_models_break_down_three_times_at_most(database: MemoryDatabase) -> None:
    deep = "run.1.1.1.1"
    await database["tasks"].insert([task("run.1.1.1", kind="work", phase="expanded"), task(deep, kind="work", phase="expanding")])
    await database["tasks"].update({"_id": "run.1.1"}, {"$set": {"phase": "expanded"}})
    wanted = Wanted("run", deep, 1, "expand")
    third = await around(plans(database), wanted)
    assert third is not None
    third.refuse_if_hopeless(wanted)
    await database["tasks"].insert([task(f"{deep}.1", kind="work", phase="expanding")])
    below = Wanted("run", f"{deep}.1", 1, "expand")
    fourth = await around(plans(database), below)
    assert fourth is not None
    with pytest.raises(LimitExceeded, match="below 3 tasks that were broken down already"):
        fourth.refuse_if_hopeless(below)


@pytest.mark.parametrize("wanted", [EXPAND, REPLAN])
@pytest.mark.parametrize("allowed", ["run.1", "run.1.1"])
async def test_what_people_allowed_to_begin_is_for_them_to_decide(database: MemoryDatabase, allowed: str, wanted: Wanted) -> None:
    """Approved was what they were shown: the task and those above it count alike, and what they want to see afterwards does not."""
    await database["tasks"].update({"_id": "run.1.1"}, {"$set": {"plan_version": wanted.version - 1}})
    await database["tasks"].update({"_id": allowed}, {"$set": {"checkpoint": {"when": "after"}}})
    afterwards = await around(plans(database), wanted)
    assert afterwards is not None
    afterwards.refuse_if_hopeless(wanted)
    await database["tasks"].update({"_id": allowed}, {"$set": {"checkpoint": {"when": "before"}, "approved": True}})
    found = await around(plans(database), wanted)
    assert found is not None
    with pytest.raises(LimitExceeded, match=f"people are asked before 'Task {allowed}' begins"):
        found.refuse_if_hopeless(wanted)


async def test_a_second_new_plan_is_for_a_person_to_decide(database: MemoryDatabase) -> None:
    header = {"part": False, "run_id": "run", "task_id": "run.1.1", "reason": "replan"}
    await database["plans"].insert([{"_id": "run.1.1@1", "version": 1, "state": "failed", "error": "a: no such agent", **header}])
    await database["tasks"].update({"_id": "run.1.1"}, {"$set": {"phase": "replanning", "plan_version": 1}})
    found = await around(plans(database), REPLAN)
    assert found is not None
    found.refuse_if_hopeless(REPLAN)
    assert found.request(REPLAN, Means(Said(answer())), why="it failed").refused == "a: no such agent"
    await database["plans"].insert([{"_id": "run.1.1@0", "version": 0, "state": "proposed", **header}])
    again = await around(plans(database), REPLAN)
    assert again is not None
    with pytest.raises(LimitExceeded, match="a person must decide"):
        again.refuse_if_hopeless(REPLAN)


async def test_the_plan_of_a_task_is_about_it_alone() -> None:
    model = Said(answer(said_task("one"), said_task("two")))
    plan = await planned(model, "## Write\n- approval: before\n", prompt="", scope=SCOPE)
    assert (plan.title, len(plan.tasks)) == ("Write the handbook", 2)
    told = model.told()
    assert "One task of a larger plan" in told
    assert all(text in told for text in ("it has 40 chapters", "Company: Be good.", "All of it."))
    assert "Approvals that the notes ask for" not in told


@pytest.mark.parametrize("title", ["Write the handbook", "write the Handbook!", "Write the handbooks"])
async def test_a_task_is_no_breakdown_of_itself(title: str) -> None:
    with pytest.raises(ModelFailed, match="is the task itself again"):
        await planned(Said(answer(said_task(title=title))), prompt="", scope=SCOPE)
    assert len((await planned(Said(answer(said_task(title="Ask for the outline"))), prompt="", scope=SCOPE)).tasks) == 1


async def test_a_breakdown_is_narrow() -> None:
    with pytest.raises(ModelFailed, match="there are 13 tasks, and 12 is the limit"):
        await planned(Said(answer(*(said_task(f"t{number}") for number in range(13)))), prompt="", scope=SCOPE)


async def test_the_files_of_what_nobody_waits_for_are_the_result() -> None:
    tasks = (said_task("one"), said_task("two", after=["one"]), said_task("three"))
    below = await planned(Said(answer(*tasks)), prompt="", scope=SCOPE)
    assert [task.kind for task in below.tasks] == ["work", "integration", "integration"]
    several = await planned(Said(answer(*tasks)))
    assert {task.kind for task in several.tasks} == {"work"}
    single = await planned(Said(answer(*tasks[:2])))
    assert [task.kind for task in single.tasks] == ["work", "integration"]
    assert [task.kind for task in (await planned(Said(answer(*tasks[:1])))).tasks] == ["work"]
