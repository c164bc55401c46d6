"""Values and events: frozen, camelCase on the wire, tolerant of what a newer version added, and each with its place in the house."""

import json
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from shared.contracts import base, checker, executor, plan, sequencer, views
from shared.contracts.base import Event, Value, type_names
from shared.contracts.phases import STATUS, TERMINAL, Action, Phase, Status, legal_actions
from shared.contracts.plan import Checkpoint, Plan, TaskSpec
from shared.contracts.sequencer import TaskReady
from shared.contracts.views import TaskView
from shared.messaging.topology import events

VALUES = [
    kind
    for module in (base, checker, executor, plan, sequencer, views)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, BaseModel) and kind.__module__ == module.__name__
]


@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: kind.__name__)
def test_a_value_is_frozen_explained_and_a_value(kind: type[BaseModel]) -> None:
    assert issubclass(kind, Value)
    assert kind.model_config["frozen"]
    assert kind.__doc__


@pytest.mark.parametrize("kind", [k for k in VALUES if k is not base.Envelope], ids=lambda kind: kind.__name__)
def test_its_wire_names_are_camel_case(kind: type[BaseModel]) -> None:
    names = list(kind.model_json_schema(by_alias=True).get("properties", {}))
    assert [name for name in names if "_" in name or not name[:1].islower()] == []


def test_what_a_newer_version_added_is_neither_refused_nor_lost() -> None:
    newer = {"runId": "r", "attempts": [], "newColour": {"deep": [1, None]}}
    heard = TaskReady.model_validate(newer)
    assert (heard.run_id, heard.attempts, heard.further) == ("r", (), {"newColour": {"deep": [1, None]}})
    assert heard.wire() == newer
    assert TaskReady.model_validate(heard.wire()) == heard
    assert heard.model_copy(update={"attempts": ("r.1:1",)}).wire()["newColour"] == newer["newColour"]


def test_it_goes_where_the_value_goes_however_deep_it_is() -> None:
    spec = {
        "key": "a",
        "title": "A",
        "team": "x",
        "checkpoint": {"when": "before", "why": "y"},
        "subtasks": [{"key": "b", "title": "B", "z": 0}],
    }
    wire = Plan.model_validate({"taskId": "r", "planner": "p", "tasks": [spec], "mood": "good"}).wire()
    assert (wire["mood"], wire["tasks"][0]["team"], wire["tasks"][0]["checkpoint"]["why"], wire["tasks"][0]["subtasks"][0]["z"]) == (
        "good",
        "x",
        "y",
        0,
    )


def test_a_name_that_means_something_here_means_it_still() -> None:
    odd = TaskReady.model_validate({"runId": "r", "run_id": "other", "attempts": [], "wire": 1, "name": "x", "said_by": "me", "type": "y"})
    assert (odd.run_id, odd.name, odd.said_by, odd.type) == ("r", "task.ready", "sequencer", "dev.taskgrove.task.ready.v1")
    assert odd.wire()["runId"] == "r"
    assert "run_id" not in odd.wire()
    assert odd.model_dump()["run_id"] == "r"


def test_only_what_came_is_further() -> None:
    assert TaskReady(run_id="r", attempts=()).further == {}
    assert TaskReady.model_validate({"runId": "r", "attempts": []}).further == {}


def test_both_names_of_a_field_are_read_and_one_is_written() -> None:
    assert Checkpoint.model_validate({"when": "after"}) == Checkpoint(when="after")
    spec = TaskSpec.model_validate({"key": "a", "title": "A", "on_failure": "fail"})
    assert spec == TaskSpec.model_validate({"key": "a", "title": "A", "onFailure": "fail"})
    assert spec.wire()["onFailure"] == "fail"
    assert "on_failure" not in spec.wire()


def test_a_plan_survives_json() -> None:
    leaf = TaskSpec(key="leaf", title="Leaf", inputs={"script": "true", "deep": [{"x": None}]}, checks=({"kind": "file", "path": "a"},))
    whole = Plan(task_id="r", planner="outline", tasks=(TaskSpec(key="group", title="Group", kind="group", subtasks=(leaf,)), leaf))
    assert Plan.model_validate(json.loads(json.dumps(whole.wire()))) == whole


def test_what_is_not_known_is_null_and_never_zero() -> None:
    view = TaskView(task_id="r", run_id="r", parent_id=None, title="t", status=Status.PENDING, phase=Phase.BLOCKED).wire()
    unknown = ("startedAt", "finishedAt", "result", "error", "assignedAgent", "group", "children", "counts")
    assert {name: view[name] for name in unknown} == dict.fromkeys(unknown)
    assert set(view["usage"].values()) == {None}


@pytest.mark.parametrize("bad", [{}, {"runId": ""}, {"runId": "x" * 65}, {"runId": None}, {"runId": 7}, {"runId": "r", "attempts": "r:1"}])
def test_a_wrong_event_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        TaskReady.model_validate({"attempts": [], **bad})


@pytest.mark.parametrize("event", events(), ids=lambda event: event.name)
def test_an_event_is_found_by_its_type(event: type[Event]) -> None:
    assert type_names[f"dev.taskgrove.{event.name}.v1"] is event


def test_a_subject_names_the_run_and_the_task() -> None:
    assert TaskReady(run_id="r", attempts=()).subject() == "runs/r"
    assert executor.AgentProgress(run_id="r", task_id="r.1", lines=()).subject() == "runs/r/tasks/r.1"


def test_every_phase_has_a_public_status_and_orders_that_fit() -> None:
    assert set(STATUS) == set(Phase)
    for phase in Phase:
        running, held = legal_actions(phase, paused=False), legal_actions(phase, paused=True)
        assert (Action.CANCEL in running) == (phase not in TERMINAL)
        assert (Action.RESUME in held) == (Action.PAUSE in running) == (phase not in TERMINAL)
        assert Action.PAUSE not in held
        assert Action.RESUME not in running
    assert {STATUS[phase] for phase in TERMINAL} == {Status.COMPLETED, Status.FAILED}
