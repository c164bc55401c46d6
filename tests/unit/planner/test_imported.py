"""Plans that come as JSON."""

import json
from typing import Any

import pytest

from services.planner.planners import planner_named
from shared.contracts.plan import Plan
from shared.errors import BadInput, NotesError
from tests.unit.planner.samples import BLOCK, outline, request, waits

SLEEP = {"agent": "python", "inputs": {"call": "sleep", "args": {"seconds": 0}}}
A = {"key": "a", "title": "A", **SLEEP}
B = {"key": "b", "title": "B", **SLEEP}


def imported(content: Any, prompt: str = "") -> Plan:
    """The plan from this content, given as text or as what JSON is made from."""
    text = content if isinstance(content, str) else json.dumps(content)
    return planner_named("import").plan(request(text, prompt=prompt, names=("plan.json",)))


def refused(content: Any) -> list[str]:
    """What is wrong with it."""
    with pytest.raises(NotesError) as caught:
        imported(content)
    return caught.value.problems


def test_a_plan_is_taken_over() -> None:
    text = f"# Run\nAbout.\n- check: test -e x\n\n## A\n- approval: before, by x\n{BLOCK}## G\n### B{BLOCK}### C\n- after: B\n{BLOCK}"
    plan = outline(text)
    assert imported(plan.wire()) == plan.model_copy(update={"planner": "import"})


def test_fields_may_be_written_either_way_and_a_prompt_describes_the_run() -> None:
    plan = imported({"tasks": [A | {"on_failure": "fail", "checkpoint": {"within": 5}}, B | {"onFailure": "continue"}]}, prompt="Do\nit")
    assert [task.on_failure for task in plan.tasks] == ["fail", "continue"]
    assert (plan.title, plan.description) == ("Do", "Do\nit")


def test_subtasks_make_a_group_and_an_integration_waits_for_all() -> None:
    group = {"key": "g", "title": "G", "subtasks": [A, B | {"kind": "integration"}]}
    plan = imported({"tasks": [group, A, B | {"kind": "integration"}]})
    assert plan.tasks[0].kind == "group"
    assert waits(plan) == {"g": (), "a": (), "b": ("g", "a")}
    assert plan.tasks[0].subtasks[1].after == ("a",)


@pytest.mark.parametrize("count", [0, 2])
def test_exactly_one_file(count: int) -> None:
    with pytest.raises(BadInput, match=f"import takes exactly one file, a plan as JSON, and there are {count}"):
        planner_named("import").plan(request(*["{}"] * count))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "plan.json:1: column 1: this is not JSON: Expecting value; "),
        ('{"tasks": [\n  {"key": }\n]}', "plan.json:2: column 11: this is not JSON: Expecting value; "),
        ('{"a": {"$ref": "#/b", "$id": "c"}}', "plan.json:1: this cannot be taken as JSON: an object holds both `$ref` and `$id`, "),
        ('{"tasks": [], "tasks": []}', "plan.json:1: this cannot be taken as JSON: the key 'tasks' is given twice in one object; "),
        ('{"tasks": NaN}', "plan.json:1: this cannot be taken as JSON: NaN is not JSON; "),
        ("[" * 100_000, "plan.json:1: this cannot be taken as JSON: it is nested too deeply; "),
        ("1" * 5_000, "plan.json:1: this cannot be taken as JSON: the number 1111"),
        ([], "plan.json:1: this is neither a plan "),
        ({"title": "x"}, "plan.json:1: this is neither a plan "),
        ({"tasks": []}, "plan.json: tasks: there is nothing in it, and one at least is needed; mend it there"),
        ({"tasks": 3}, "plan.json: tasks: this is no list ([…]); mend it there"),
        ({"tasks": [3]}, "plan.json: tasks[0]: this is no object ({…}); mend it there"),
        ({"tasks": [A, {"title": "x", "agent": "human"}]}, "plan.json: tasks[1].key: Field required; "),
        ({"tasks": [A | {"retries": -1}]}, "plan.json: tasks[0].retries: Input should be greater than or equal to 0; "),
        ({"tasks": [{"key": "g", "title": "G", "subtasks": [A | {"priority": "x"}]}]}, "plan.json: tasks[0].subtasks[0].priority: Input "),
        ({"tasks": [A], "titel": "x"}, "plan.json: titel: there is no such field; did you mean `title`?"),
        ({"tasks": [A | {"onFail": "ask"}]}, "plan.json: tasks[0].onFail: there is no such field; did you mean `onFailure`?"),
        (
            {"tasks": [A | {"checkpoint": {"wen": "after"}}]},
            "plan.json: tasks[0].checkpoint.wen: there is no such field; did you mean `when`?",
        ),
        ({"tasks": [A, A]}, "plan.json: A: a sibling has the key 'a' as well; "),
        ({"tasks": [A | {"after": ["c"]}]}, "plan.json: A: `after` names 'c', which is no sibling; there are: a"),
        ({"tasks": [A | {"after": ["b"]}, B | {"after": ["a"]}]}, "plan.json: A: these wait for each other: a → b → a; "),
        ({"tasks": [A | {"agent": "pyton"}]}, "plan.json: A: there is no agent 'pyton'; did you mean `python`?"),
        ({"tasks": [{"key": "g", "title": "G", "subtasks": [A | {"agent": None}]}]}, "plan.json: G / A: no agent is named"),
        ({"tasks": [A | {"inputs": {"cal": 1}}]}, "plan.json: A: inputs.call for agent 'python': Field required; "),
        ({"tasks": [A | {"checks": [{"kind": "comand"}]}]}, "plan.json: A: 'comand' is not a check; there are: command, "),
        ({"tasks": [A], "checks": [{"kind": "file"}]}, "plan.json: the plan: check 'file': path: Field required; "),
        ({"tasks": [{"key": "g", "title": "G", "kind": "group"}]}, "plan.json: G: this group has no tasks; "),
    ],
)
def test_what_is_wrong_is_named_with_its_place(content: Any, problem: str) -> None:
    assert refused(content)[0].startswith(problem)


def test_subtasks_nested_without_end_are_refused() -> None:
    text = '{"tasks":[{"key":"a","title":"A","subtasks":' * 1 + '[{"key":"a","title":"A","subtasks":' * 290 + "[]" + "}]" * 290 + "}]}"
    assert refused(text)
