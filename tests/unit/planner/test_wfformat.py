"""Workflows in WfFormat 1.5, a made-up one and, where they are at hand, real ones."""

import copy
import json
import os
from pathlib import Path
from typing import Any

import pytest

from services.planner import domain
from services.planner.lint import lint
from services.planner.planners import planner_named
from shared.contracts.plan import Plan, RunOptions
from shared.errors import BadInput, NotesError
from tests.unit.planner.samples import request, waits

DIAMOND = Path(__file__).with_name("diamond.wfformat.json")
SIZES = {
    "1000genome-chameleon-2ch-100k-001.json": (52, 76),
    "bwa-chameleon-small-001.json": (104, 400),
    "epigenomics-chameleon-hep-1seq-100k-001.json": (41, 48),
    "helloworld-chain-5-chameleon.json": (5, 4),
    "helloworld-forkjoin-10-chameleon.json": (10, 16),
    "montage-chameleon-2mass-005d-001.json": (58, 114),
    "rnaseq-dirt02-001.json": (197, 451),
    "sarek-dirt02-001.json": (26, 50),
}


def replay(text: str, time_scale: float = 1.0) -> Plan:
    """The plan for a workflow."""
    options = RunOptions(planner="import", time_scale=time_scale)
    return planner_named("import").plan(request(text, options=options, names=("flow.json",)))


@pytest.fixture
def flow() -> Any:
    """The made-up workflow, to be spoilt."""
    return copy.deepcopy(json.loads(DIAMOND.read_text()))


def test_a_workflow_becomes_tasks_that_sleep() -> None:
    plan = replay(DIAMOND.read_text(), time_scale=0.5)
    assert (plan.planner, plan.title, plan.description) == ("import", "diamond", "Made up for the tests: one splits, two work, one joins.")
    assert waits(plan) == {"split_1": (), "work_2": ("split_1",), "work_3": ("split_1",), "join_4": ("work_2", "work_3")}
    split, first, _, join = plan.tasks
    assert (split.agent, split.inputs, split.estimate) == ("python", {"call": "sleep", "args": {"seconds": 1.0}}, 1.0)
    assert split.checks == ({"kind": "schema", "schema": {"type": "object", "required": ["slept"]}},)
    assert (first.title, first.notes) == ("work_2", ("flow.json#work_2",))
    assert join.timeout is not None
    assert join.timeout > 0.25
    assert lint(plan) == []


def test_a_time_scale_of_nothing_takes_no_time() -> None:
    assert {task.estimate for task in replay(DIAMOND.read_text(), time_scale=0).tasks} == {0}


def test_a_time_scale_beyond_all_bounds_is_refused() -> None:
    with pytest.raises(BadInput, match="set timeScale to a smaller number"):
        replay(DIAMOND.read_text(), time_scale=1e308)


def spoil(flow: Any, place: int, **fields: Any) -> None:
    """Change a task of the specification."""
    flow["workflow"]["specification"]["tasks"][place].update(fields)


def refused(flow: Any) -> list[str]:
    """What is wrong with it."""
    with pytest.raises(NotesError) as caught:
        replay(json.dumps(flow))
    return caught.value.problems


def test_another_version_is_refused(flow: Any) -> None:
    flow["schemaVersion"] = "1.4"
    assert refused(flow) == ["flow.json: schemaVersion: this is WfFormat '1.4', and '1.5' is read; convert it with the wfcommons package"]


def test_a_missing_field_is_named(flow: Any) -> None:
    del flow["workflow"]["specification"]["tasks"][1]["parents"]
    assert refused(flow) == ["flow.json: workflow.specification.tasks[1].parents: Field required; mend it there"]


def test_an_unknown_parent_is_named_with_the_nearest(flow: Any) -> None:
    spoil(flow, 1, parents=["splat_1"])
    spoil(flow, 0, children=["work_3"])
    assert refused(flow) == ["flow.json: workflow.specification.tasks[1].parents: there is no task 'splat_1'; did you mean `split_1`?"]


def test_children_that_disagree_with_parents(flow: Any) -> None:
    spoil(flow, 0, children=["work_2", "work_3", "join_4", "work_9"])
    found = refused(flow)
    assert "there is no task 'work_9'; did you mean `work_" in found[0]
    assert "'join_4' does not name 'split_1' among its parents" in found[1]


def test_children_may_be_left_out(flow: Any) -> None:
    for task in flow["workflow"]["specification"]["tasks"]:
        del task["children"]
    assert waits(replay(json.dumps(flow)))["join_4"] == ("work_2", "work_3")


def test_a_cycle_is_printed(flow: Any) -> None:
    spoil(flow, 0, parents=["join_4"])
    (problem,) = refused(flow)
    assert problem.startswith("flow.json: workflow.specification.tasks: these wait for each other: ")
    assert problem.count("→") == 3


def test_one_id_for_two_tasks(flow: Any) -> None:
    spoil(flow, 2, id="work_2")
    assert any("tasks[1].id: 'work_2' is the id of another task" in one for one in refused(flow))


def test_a_task_without_a_recorded_time(flow: Any) -> None:
    del flow["workflow"]["execution"]
    assert len([one for one in refused(flow) if "has no runtimeInSeconds in workflow.execution.tasks" in one]) == 4


def test_an_id_that_is_too_long_for_a_key(flow: Any) -> None:
    long = "x" * 200
    spoil(flow, 0, id=long)
    spoil(flow, 1, parents=[long])
    spoil(flow, 2, parents=[long])
    flow["workflow"]["execution"]["tasks"][0]["id"] = long
    plan = replay(json.dumps(flow))
    assert plan.tasks[1].after == (plan.tasks[0].key,)
    assert len(plan.tasks[0].key) == 100


@pytest.mark.parametrize("name", SIZES)
def test_recorded_workflows(name: str) -> None:
    if "TASKGROVE_DATA" not in os.environ:
        pytest.skip("TASKGROVE_DATA is not set: point it at the folder that holds wfformat/ to try the recorded workflows")
    path = Path(os.environ["TASKGROVE_DATA"], "wfformat", name)
    if not path.exists():
        pytest.skip(f"{path} does not exist: TASKGROVE_DATA must hold wfformat/{name}")
    plan = replay(path.read_text(), time_scale=0.001)
    assert (len(plan.tasks), sum(len(task.after) for task in plan.tasks)) == SIZES[name]
    assert [finding for finding in lint(plan) if finding.severity == "error"] == []
    domain.refuse_if_too_large(plan, RunOptions(), depth=0)
