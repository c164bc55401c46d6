"""A model's plan: converted, bounded, looked over, mended once, and refused with the reasons."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from services.planner.planners import PlanRequest
from services.planner.planners.base import Means
from services.planner.planners.model import ModelPlanner
from services.planner.planners.model.language import MOST_TASKS, SaidPlan, Vocabulary, answer_schema
from shared.contracts.plan import NotesFile, Plan, RunOptions
from shared.errors import BadInput, LimitExceeded, ModelFailed
from shared.models.answer import Unusable
from shared.models.port import Spent
from tests.unit.planner.thinking import Said, answer, planned, said_task

NOTES = "# Release\n\nSoon.\n\n## Build\n\nWith make.\n\n## Publish\n\nTo the site.\n"
WIDE = Vocabulary(agents=["shell", "model", "human"], sections=["S1"], approvals=["A1"], most_tasks=3)


async def test_a_plan_is_what_the_model_said() -> None:
    checks = [
        {"kind": "contains", "path": "out.txt", "value": "done"},
        {"kind": "command", "path": "", "value": "test -s out.txt"},
        {"kind": "schema", "path": "out.json", "value": '{"type": "object", "$defs": {}}'},
    ]
    first = said_task("get", outputs=["out.*"], checks=checks, seconds=30, notes=["S2"])
    second = said_task("tell", title=" Tell\n them ", agent="human", script="ignored", after=["get", "get"], approval="before")
    plan = await planned(Said(answer(first, second)), NOTES)
    assert (plan.planner, plan.title, plan.description, plan.model) == ("model", "All of it", "Do it.", "scripted")
    assert len(plan.prompt_hash or "") == 64
    get, tell = plan.tasks
    assert get.inputs == {"script": "echo > out.txt"}
    assert (get.outputs, get.estimate, get.notes) == (("out.*",), 30, ("a.md#build",))
    assert get.checks == (
        {"kind": "contains", "path": "out.txt", "text": "done"},
        {"kind": "command", "run": "test -s out.txt"},
        {"kind": "schema", "path": "out.json", "schema": {"type": "object", "$defs": {}}},
    )
    assert (tell.title, tell.inputs, tell.after, tell.estimate) == ("Tell them", {}, ("get",), None)
    assert tell.checkpoint is not None
    assert (tell.checkpoint.when, tell.checkpoint.approvers) == ("before", ())


async def test_a_task_for_a_model_and_a_check_by_one() -> None:
    task = said_task(agent="model", script="", checks=[{"kind": "model", "path": "", "value": "It is polite."}])
    (made,) = (await planned(Said(answer(task)))).tasks
    assert (made.agent, made.inputs, made.checks) == ("model", {}, ({"kind": "model", "criteria": "It is polite."},))


@pytest.mark.parametrize(
    ("tasks", "reason"),
    [
        ([said_task(after=["b"])], "which is no sibling"),
        ([said_task("a", after=["b"]), said_task("b", after=["a"])], "wait for each other"),
        ([said_task("a"), said_task("a")], "give each a key of its own"),
        ([said_task(checks=[])], "tasks[0].checks: Tuple should have at least 1 item"),
        ([said_task(agent="integrate")], "a: there is no agent 'integrate'; there are: shell, model, human"),
        ([said_task(agent="python")], "a: there is no agent 'python'"),
        ([said_task(script="")], "inputs.script for agent 'shell'"),
        ([said_task(checks=[{"kind": "hope", "path": "", "value": ""}])], "there is no check 'hope'"),
        ([said_task(checks=[{"kind": "schema", "path": "a", "value": "{"}])], "is no JSON Schema"),
        ([said_task(checks=[{"kind": "schema", "path": "a", "value": '{"enum": ' + "[" * 90 + "]" * 90 + "}"}])], "nested deeper than 64"),
        ([said_task(checks=[{"kind": "command", "path": "", "value": ""}])], "check 'command': run:"),
        ([said_task(checks=[{"kind": "file", "path": "../../etc/passwd", "value": ""}])], "lies outside the task's directory"),
        ([said_task(outputs=["/etc/*"])], "lies outside the task's directory"),
        ([said_task(notes=["S9"])], "there is no section 'S9'"),
        ([said_task(approval="A7")], "there is no approval 'A7'"),
        ([said_task(key="No Key")], "tasks[0].key: String should match pattern"),
        ([said_task(priority=9)], "tasks[0].priority: Extra inputs are not permitted"),
        ([said_task(title=" ")], "tasks[0].title"),
        ([said_task(description="x" * 1_001)], "at most 1000 characters"),
        ([said_task(f"t{number}") for number in range(MOST_TASKS + 1)], "at most 30 items"),
        ([], "tasks: Tuple should have at least 1 item"),
    ],
)
async def test_what_cannot_be_carried_out_is_named_and_asked_for_again_once(tasks: list[dict[str, Any]], reason: str) -> None:
    wrong = json.dumps({"title": "T", "tasks": tasks})
    model = Said(wrong, answer())
    plan = await planned(model, NOTES)
    assert len(plan.tasks) == 1
    assert [about.purpose for about in model.about] == ["plan", "plan-repair"]
    assert model.asked[1].turns[2].text == wrong
    assert reason in model.asked[1].turns[3].text
    with pytest.raises(ModelFailed) as caught:
        await planned(Said(wrong), NOTES)
    assert reason in str(caught.value)
    assert caught.value.permanent


@pytest.mark.parametrize(
    "nonsense", ["", "I cannot do that.", "[]", "{}", "null", '{"title": "T", "title": "U", "tasks": []}', "NaN", "{" * 9_000]
)
async def test_nonsense_for_ever_ends_after_two_questions(nonsense: str) -> None:
    model = Said(nonsense)
    with pytest.raises(ModelFailed, match="made no plan that can be carried out") as caught:
        await planned(model)
    assert caught.value.permanent
    assert len(model.asked) == 2


async def test_an_answer_that_was_cut_off_is_asked_for_again() -> None:
    model = Said(Unusable("the model's answer was cut off", said='{"title": "T', spent=Spent()), answer())
    await planned(model)
    assert [turn.text for turn in model.asked[1].turns[2:3]] == ['{"title": "T']
    assert "was cut off" in model.told()


@pytest.mark.parametrize("error", [Unusable("no", said="", spent=Spent(), code="model_refused"), ModelFailed("busy", code="model_busy")])
async def test_what_no_repair_can_mend_is_raised_at_once(error: ModelFailed) -> None:
    model = Said(error)
    with pytest.raises(ModelFailed) as caught:
        await planned(model)
    assert caught.value is error
    assert len(model.asked) == 1


async def test_there_is_something_to_plan_and_somebody_who_plans() -> None:
    with pytest.raises(BadInput, match="nothing to plan"):
        await planned(Said(answer()), prompt=" ")
    with pytest.raises(LimitExceeded, match="TASKGROVE_PLANNER_MODEL_CONTEXT_BYTES"):
        await planned(Said(answer()), "# A\n" + "x" * 2_000, context_bytes=2_000)
    with pytest.raises(BadInput, match="TASKGROVE_MODEL_BASE_URL"):
        await ModelPlanner().plan(PlanRequest("run", "Do it.", (), RunOptions()))


def test_the_schema_binds_what_the_language_allows() -> None:
    schema = answer_schema(WIDE)
    Draft202012Validator.check_schema(schema)
    text = json.dumps(schema)
    assert "$ref" not in text
    assert all(one in text for one in ('"maxItems": 3', '["shell", "model", "human"]', '["S1"]', '["", "before", "after", "A1"]'))
    assert list(_unbounded(schema)) == []
    whole = SaidPlan.model_validate_json(answer(said_task())).model_dump(mode="json")
    assert list(Draft202012Validator(schema).iter_errors(whole)) == []


def test_without_notes_there_are_no_sections_to_name() -> None:
    task = answer_schema(Vocabulary(["shell"], [], [], 3))["properties"]["tasks"]["items"]
    assert "notes" not in task["properties"]
    assert "notes" not in task["required"]


def _unbounded(node: dict[str, Any], path: str = "") -> list[str]:
    """Strings, arrays and objects that a small model could run on in for ever."""
    bound = {"string": {"maxLength", "pattern", "enum"}, "array": {"maxItems"}, "object": {"properties"}}.get(
        node.get("type", ""), {"enum"}
    )
    found = [] if bound & node.keys() or node.get("type") == "integer" else [path]
    for name, one in node.get("properties", {}).items():
        found += _unbounded(one, f"{path}.{name}")
    return found + (_unbounded(node["items"], f"{path}[]") if "items" in node else [])


async def test_the_prompt_says_the_form_and_an_earlier_refusal() -> None:
    model = Said(answer())
    await planned(model, NOTES, refused="a: there is no agent 'python'")
    told = model.told()
    assert '"checks": [{"kind": "file"' in told
    assert "[S2] ## Build" in told
    assert "An earlier plan was refused" in told
    assert "there is no agent 'python'" in told
    assert model.asked[0].schema is not None


async def test_the_same_request_is_the_same_question() -> None:
    model = Said(answer())
    await planned(model, NOTES)
    await planned(model, NOTES)
    assert model.asked[0] == model.asked[1]


async def test_a_template_in_the_notes_is_text() -> None:
    model = Said(answer())
    await planned(model, "# A\n{{ 7 * 7 }} {% raw %} {{ prompt.__class__ }}\n", prompt="{{ 8 * 8 }}")
    assert "{{ 7 * 7 }}" in model.told()
    assert "{{ 8 * 8 }}" in model.told()


async def test_a_file_twice_is_refused() -> None:
    notes = (NotesFile(name="a.md", text="# A\n"),) * 2
    with pytest.raises(BadInput, match="two files of notes have this name"):
        await ModelPlanner().plan(PlanRequest("run", "", notes, RunOptions(), means=Means(Said(answer()))))


def test_a_plan_says_which_model_and_prompt_made_it() -> None:
    assert Plan(task_id="run", planner="import", tasks=()).wire()["promptHash"] is None
