"""What the keys of the outline format take."""

import pytest

from tests.unit.planner.samples import BLOCK, only_problem, outline, problems


def of(key: str, value: str, field: str) -> object:
    """What a task gets from one key."""
    return getattr(outline(f"# Run\n## T\n- {key}: {value}\n{BLOCK}").tasks[0], field)


@pytest.mark.parametrize(("value", "seconds"), [("500ms", 0.5), ("10s", 10), ("10m", 600), ("2h", 7_200), ("1d", 86_400), ("1.5 h", 5_400)])
def test_durations(value: str, seconds: float) -> None:
    assert of("timeout", value, "timeout") == seconds
    assert of("estimate", value, "estimate") == seconds


@pytest.mark.parametrize("value", ["10", "ten minutes", "1h30m", "-1s", "0s", "9e9s", "9999999999s", "\u0661s"])
def test_other_durations_are_refused(value: str) -> None:
    assert only_problem(f"# Run\n## T\n- timeout: {value}\n{BLOCK}").startswith(f"a.md:3: `timeout`: `{value}` ")


@pytest.mark.parametrize(
    ("key", "value", "check"),
    [
        ("check", "test -s 'a  b'", {"kind": "command", "run": "test -s 'a  b'"}),
        ("check", "`make check`", {"kind": "command", "run": "make check"}),
        ("check", "a\n  && b", {"kind": "command", "run": "a && b"}),
        ("check-file", "dist/*.tgz", {"kind": "file", "path": "dist/*.tgz"}),
        ("check-file", "a b.txt min 10 bytes", {"kind": "file", "path": "a b.txt", "minBytes": 10}),
        ("check-file", "a.txt [min 10 bytes]", {"kind": "file", "path": "a.txt", "minBytes": 10}),
        ("check-file", "a.txt min 0", {"kind": "file", "path": "a.txt", "minBytes": 0}),
        ("check-contains", "log.txt: all: well", {"kind": "contains", "path": "log.txt", "text": "all: well"}),
        ("check-contains", "summary: done", {"kind": "contains", "text": "done"}),
        ("check-schema", 'a.json: {"type": "object"}', {"kind": "schema", "path": "a.json", "schema": {"type": "object"}}),
        ("check-schema", 'data: {"required":\n  ["x"]}', {"kind": "schema", "schema": {"required": ["x"]}}),
        ("check-model", "names the year,\n  in one line", {"kind": "model", "criteria": "names the year, in one line"}),
        ("Check_File", "a", {"kind": "file", "path": "a"}),
        ("**check file**", "a", {"kind": "file", "path": "a"}),
        ("`check`", "a", {"kind": "command", "run": "a"}),
    ],
)
def test_checks(key: str, value: str, check: dict[str, object]) -> None:
    assert of(key, value, "checks") == (check,)


def test_emphasis_may_take_in_the_colon() -> None:
    assert outline(f"# Run\n## T\n- **check:** a\n{BLOCK}").tasks[0].checks == ({"kind": "command", "run": "a"},)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("check-file", "a min ten bytes", "`PATH min 100 bytes`"),
        ("check-file", "../secret", "lies outside the task's directory"),
        ("check-contains", "nothing", "`PATH: text` or `summary: text`"),
        ("check-schema", "a.json: {", "this is not JSON"),
        ("check-schema", "a.json: []", "no object"),
        ("check-schema", '{"type": "object"}', "this is not JSON"),
        ("retries", "many", "a whole number from 0 to 100"),
        ("retries", "101", "a whole number from 0 to 100"),
        ("priority", "10", "a whole number from 0 to 9"),
        ("integration", "perhaps", "write yes or no"),
        ("on-failure", "retry", "ask, fail, continue"),
        ("agent", "shel", "did you mean `shell`?"),
        ("agent", "zzz", "there are: shell, python, model, human, integrate"),
        ("args", "{'a': 1}", "this is not JSON"),
        ("args", '{"a": 1, "a": 2}', "given twice"),
        ("args", '{"a": 1e999}', "too large"),
        ("args", '{"a": 99999999999999999999}', "64 bits"),
        ("args", '{"a": NaN}', "not JSON"),
        ("args", '{"a": "\\ud800"}', "surrogate"),
        ("args", '{"\\u0000": 1}', "NUL"),
        ("args", "[" * 100_000, "nested too deeply"),
        ("outputs", "a, /etc/passwd", "lies outside"),
        ("approval", "before, by anna and ben", "join names by `or`"),
        ("approval", "before, by anna, ben", "`ben` is not understood"),
        ("approval", "before, after", "says the same thing again"),
        ("approval", "3 of 2", "`3 of 2` cannot be"),
        ("approval", "0 of 2", "`0 of 2` cannot be"),
        ("approval", "21 of 30", "at most 20"),
        ("approval", "before, within soon", "`soon` is no duration"),
        ("approval", "before,", "`` is not understood"),
    ],
)
def test_a_value_that_is_not_understood(key: str, value: str, says: str) -> None:
    found = problems(f"# Run\n## T\n- {key}: {value}\n{BLOCK}")
    assert found[0].startswith(f"a.md:3: `{key}`: ")
    assert says in found[0]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("after", ("after", (), 1, None)),
        ("before, by anna or ben or release, 2 of 3, within 2h", ("before", ("anna", "ben", "release"), 2, 7_200.0)),
        ("within 1d, by anna", ("before", ("anna",), 1, 86_400.0)),
    ],
)
def test_approvals(value: str, expected: tuple[object, ...]) -> None:
    checkpoint = outline(f"# Run\n## T\n- approval: {value}\n{BLOCK}").tasks[0].checkpoint
    assert checkpoint is not None
    assert (checkpoint.when, checkpoint.approvers, checkpoint.required, checkpoint.within) == expected


def test_what_a_python_task_takes() -> None:
    task = outline('# Run\n## T\n- agent: python\n- call: sleep\n- args: {"seconds": 1}\n- outputs: a, b/*\n- outputs: c\n').tasks[0]
    assert (task.agent, task.inputs, task.outputs) == ("python", {"call": "sleep", "args": {"seconds": 1}}, ("a", "b/*", "c"))


def test_plain_settings() -> None:
    task = outline(
        f"# Run\n## T\n- on-failure: Continue\n- priority: 9\n- retries: 0\n- check: a\n- check-file: b\n- check: c\n{BLOCK}"
    ).tasks[0]
    assert (task.on_failure, task.priority, task.retries) == ("continue", 9, 0)
    assert [check.get("run", "file") for check in task.checks] == ["a", "file", "c"]


def test_a_key_with_nothing_behind_it_takes_what_stands_below() -> None:
    text = """\
    # Run
    ## One, two
    - agent: human
    ## T
    - check:
      ```sh
      test -s a
      test -s b
      ```
    - after:
      - One, two
      - Other
    - retries:

      3

    ```sh
    true
    ```
    ## Other
    - agent: human
    ## U
    - after: One, two
    - agent: human
    """
    plan = outline(text)
    assert plan.tasks[1].checks == ({"kind": "command", "run": "test -s a\ntest -s b"},)
    assert (plan.tasks[1].after, plan.tasks[1].retries) == (("one-two", "other"), 3)
    assert plan.tasks[1].inputs["script"] == "true\n"
    assert plan.tasks[3].after == ("one-two",)
