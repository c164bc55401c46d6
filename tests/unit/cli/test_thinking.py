"""`taskgrove plan` with a language model: the plan is shown, nothing is started, and without a model it says what to set."""

from pathlib import Path
from typing import Any

import pytest

from shared.contracts.plan import RunOptions
from shared.errors import BadInput, ModelFailed, NotesError
from taskgrove.cli.planning import Planned, plan_paths
from taskgrove.scripted import Script, scripted

TASK = {"key": "a", "title": "A", "description": "", "agent": "shell", "script": "true", "checks": [{"kind": "file", "path": "out.txt"}]}
BY_MODEL = RunOptions(planner="model")


@pytest.fixture(autouse=True)
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TASKGROVE_MODEL_BASE_URL", raising=False)


def thought(monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any], *paths: Path, options: RunOptions = BY_MODEL) -> Planned:
    """What comes of a model that answers this."""
    rules = [{"when": {"schema": "plan"}, "answers": [answer]}]
    with scripted(Script.model_validate({"rules": rules})) as model:
        for name, value in model.environment.items():
            monkeypatch.setenv(name, value)
        return plan_paths(paths, prompt="Do it.", options=options)


def test_a_model_plans_here(monkeypatch: pytest.MonkeyPatch) -> None:
    planned = thought(monkeypatch, {"json": {"title": "All", "tasks": [TASK]}})
    assert (planned.plan.title, planned.plan.model, planned.count(), planned.errors) == ("All", "scripted", 1, [])


def test_a_model_that_plans_nothing_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelFailed, match="made no plan that can be carried out"):
        thought(monkeypatch, {"text": "No."})


def test_without_a_model_it_says_what_to_set() -> None:
    with pytest.raises(BadInput, match="TASKGROVE_MODEL_BASE_URL"):
        plan_paths([], prompt="Do it.", options=BY_MODEL)


def test_headings_that_name_nobody_are_for_the_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    notes = tmp_path / "a.md"
    notes.write_text("# Site\n\n## Write\n\nA page.\n\n## Show\n\n```sh\ntrue\n```\n")
    with pytest.raises(NotesError, match="no language model is configured"):
        plan_paths([notes], prompt="", options=RunOptions())
    planned = thought(monkeypatch, {"status": 500}, notes, options=RunOptions())
    assert [(task.agent, task.description) for task in planned.plan.tasks] == [("model", "A page."), ("shell", "")]
    notes.write_text("# Site\n\n## Write\n- agent: model\n\nA page.\n")
    monkeypatch.delenv("TASKGROVE_MODEL_BASE_URL")
    with pytest.raises(NotesError, match="has `agent: model`, and no language model is configured"):
        plan_paths([notes], prompt="", options=RunOptions())
