"""What the linter of plans finds."""

from typing import Any

import pytest

from services.planner.lint import Finding, lint
from services.planner.names import MOST_COMPARISONS
from shared.contracts.plan import Plan, TaskSpec

CHECK = ({"kind": "file", "path": "x"},)


def spec(title: str, **fields: Any) -> TaskSpec:
    """A sound task, apart from the given fields."""
    sound = {"agent": "shell", "inputs": {"script": f"make {title}"}, "checks": CHECK}
    return TaskSpec.model_validate({"key": title.lower().replace(" ", "-"), "title": title} | sound | fields)


def found(*tasks: TaskSpec, **fields: Any) -> list[Finding]:
    """What the linter finds in a plan of these tasks."""
    return lint(Plan(task_id="run", planner="outline", tasks=tasks, **fields))


def test_a_sound_plan_has_no_findings() -> None:
    group = TaskSpec(key="g", title="G", kind="group", subtasks=(spec("Inner"),))
    assert found(spec("A"), group, spec("Join", kind="integration", after=["a", "g"])) == []


@pytest.mark.parametrize(
    ("task", "code", "severity", "says"),
    [
        (spec("A", after=["b"]), "unknown-after", "error", "`after` names 'b'"),
        (spec("A", after=["a"]), "cycle", "error", "a → a"),
        (spec("A", checks=()), "no-check", "warning", "nothing proves"),
        (TaskSpec(key="a", title="A", kind="group"), "empty-group", "error", "this group has no tasks"),
        (spec("A", agent=None), "no-agent", "error", "name one of shell"),
        (spec("A", agent="shel"), "unknown-agent", "error", "did you mean `shell`?"),
        (spec("A", inputs={"script": "x", "shell": "zsh"}), "bad-inputs", "error", "inputs.shell for agent 'shell'"),
        (spec("A", checks=[{"kind": "contains", "text": "a", "pattern": "b"}]), "bad-check", "error", "either text or pattern"),
        (spec("A", checks=[{"kind": "file", "path": "dist/.env"}]), "not-kept", "error", "add `outputs: **, dist/.env`"),
        (spec("A", checks=[{"kind": "schema", "path": ".x", "schema": {}}], outputs=[".y"]), "not-kept", "error", "add `outputs: .x`"),
    ],
)
def test_what_is_wrong_with_a_task(*, task: TaskSpec, code: str, severity: str, says: str) -> None:
    group = TaskSpec(key="g", title="G", kind="group", subtasks=(task,))
    (finding,) = found(group)
    assert (finding.code, finding.severity, finding.path) == (code, severity, ("G", "A"))
    assert says in finding.message


def test_a_plan_without_tasks_and_with_a_bad_check() -> None:
    assert [(one.code, one.path) for one in found(checks=({"kind": "x"},))] == [("bad-check", ()), ("empty-plan", ())]


@pytest.mark.parametrize(
    ("path", "outputs"), [(".git/x", (".g*",)), (".env*", (".environment",)), ("./a", ()), ("a.b", ()), ("a/.b/c.d", ("**", "*/.b"))]
)
def test_a_check_on_what_may_be_kept_is_sound(path: str, outputs: tuple[str, ...]) -> None:
    assert found(spec("A", checks=[{"kind": "file", "path": path}], outputs=outputs)) == []


def test_a_group_may_look_for_hidden_files_that_its_tasks_keep() -> None:
    step = spec("A", kind="integration", outputs=[".env"])
    assert found(TaskSpec(key="g", title="G", kind="group", checks=({"kind": "file", "path": ".env"},), subtasks=(step,))) == []


def test_two_tasks_with_one_key() -> None:
    assert [one.code for one in found(spec("A"), spec("B", key="a"))] == ["duplicate-key"]


def test_orphans_of_an_integration() -> None:
    join = spec("Join", kind="integration", after=["a"])
    (finding,) = found(spec("A"), spec("B"), join)
    assert (finding.code, finding.severity, finding.path) == ("orphan", "warning", ("B",))
    assert found(spec("A"), spec("B"), spec("Join", kind="integration")) == []


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        ("Fetch sources", "fetch  Sources!", True),
        ("Fetch the sources", "Fetch the source", True),
        ("Fetch the sources", "Build the docs", False),
        ("Part number 1", "Part number 2", False),
    ],
)
def test_duplicates_have_the_same_inputs_and_nearly_the_same_title(one: str, two: str, same: bool) -> None:
    inputs = ({"script": "make  it"}, {"script": "make it\n"})
    findings = found(spec(one, key="1", inputs=inputs[0]), spec(two, key="2", inputs=inputs[1]))
    assert [(finding.code, finding.path) for finding in findings] == ([("duplicate", (two,))] if same else [])
    assert found(spec(one, key="1"), spec(two, key="2", inputs={"script": "other"})) == []


def test_joining_steps_may_have_the_same_script_for_they_work_on_other_things() -> None:
    join = spec("Join", kind="integration", inputs={"script": "cat inputs/*"})
    assert found(spec("A", subtasks=(spec("X"), join)), spec("B", subtasks=(spec("Y"), join))) == []


def test_a_task_that_is_all_title_is_judged_by_all_of_it() -> None:
    human = {"agent": "human", "inputs": {"question": ""}}
    assert found(spec("Sign the contract with A", **human), spec("Sign the contract with B", **human)) == []
    assert [one.code for one in found(spec("Sign", key="1", **human), spec("Sign", key="2", **human))] == ["duplicate"]


def test_many_alike_tasks_are_no_burden() -> None:
    assert len(found(*(spec(f"T{n}", inputs={"script": "true"}, checks=()) for n in range(20_000)))) == 20_000


def test_thousands_of_wrong_names_are_answered_with_few_guesses() -> None:
    """Titles instead of keys: comparing each with all others would take minutes, and naming all others for each would be a book."""
    tasks = [spec(f"Task {number}", after=[f"Taks {number - 1}"] if number else []) for number in range(2_000)]
    messages = [finding.message for finding in found(*tasks) if finding.code == "unknown-after"]
    assert len(messages) == 1_999
    assert messages[0] == "`after` names 'Taks 0', which is no sibling; did you mean `task-0`?"
    assert messages[-1].endswith(", task-18, task-19 and 1980 more")
    assert sum("did you mean" in message for message in messages) == MOST_COMPARISONS // 2_000
