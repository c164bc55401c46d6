"""Where a command finds a language model, and what it says where there is none."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from shared.contracts.plan import RunOptions
from shared.errors import BadInput, NotesError
from taskgrove.cli import main
from taskgrove.cli.models import refuse_without_model, stand_in
from taskgrove.cli.planning import Planned, submission_of
from taskgrove.cli.stand import Where

SCRIPT = '{"model": "m", "key": "k", "rules": [{"answers": [{"text": "x"}]}]}'


@pytest.fixture(autouse=True)
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("TASKGROVE_MODEL_", "TASKGROVE_API"))]:
        monkeypatch.delenv(name)


def call(*args: object) -> Result:
    return CliRunner().invoke(main.app, [str(arg) for arg in args])


def test_a_script_stands_in_for_what_this_command_starts(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(SCRIPT)
    where = Where(None, tmp_path / "home", in_memory=False)
    with stand_in(tmp_path / "s.json", where):
        assert os.environ["TASKGROVE_MODEL_NAME"] == "m"
        assert os.environ["TASKGROVE_MODEL_API_KEY"] == "k"
        assert os.environ["TASKGROVE_MODEL_BASE_URL"].startswith("http://127.0.0.1:")
        refuse_without_model(where)
    assert not [name for name in os.environ if name.startswith("TASKGROVE_MODEL_")]
    with pytest.raises(BadInput, match="TASKGROVE_MODEL_BASE_URL"):
        refuse_without_model(where)


def test_another_taskgrove_keeps_its_own_model(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(SCRIPT)
    elsewhere = Where("http://grove.test", None, in_memory=False)
    refuse_without_model(elsewhere)
    with pytest.raises(BadInput, match="--in-memory"), stand_in(tmp_path / "s.json", elsewhere):
        raise AssertionError


def test_nothing_at_all_is_refused_with_both_ways_out() -> None:
    refused = call("run")
    assert isinstance(refused.exception, BadInput)
    assert "--notes PATH" in str(refused.exception)
    assert "--prompt TEXT" in str(refused.exception)


def test_a_prompt_alone_needs_a_model(tmp_path: Path) -> None:
    refused = call("run", "--prompt", "Bake", "--data", tmp_path)
    assert isinstance(refused.exception, BadInput)
    assert "TASKGROVE_MODEL_BASE_URL" in str(refused.exception)


def test_notes_for_a_model_are_planned_for_a_taskgrove_that_may_have_one(tmp_path: Path) -> None:
    (tmp_path / "n.md").write_text("# Small\n## Write\n- agent: model\n- check-file: notice.txt\n\nWrite a notice.\n")
    options = RunOptions()
    planned = submission_of([tmp_path], prompt="", options=options, elsewhere=True)
    assert isinstance(planned, Planned)
    assert [task.agent for task in planned.plan.tasks] == ["model"]
    with pytest.raises(NotesError, match="no language model is configured"):
        submission_of([tmp_path], prompt="", options=options, elsewhere=False)


def test_a_script_stands_in_when_the_notes_are_planned_as_well(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(SCRIPT)
    (tmp_path / "n.md").write_text("# Small\n## Write\n- agent: model\n- check: true\n\nWrite a notice.\n")
    ended = call("run", "--in-memory", "--data", tmp_path / "home", "--scripted-model", tmp_path / "s.json", "--notes", tmp_path / "n.md")
    assert not isinstance(ended.exception, NotesError)
    assert "Write" in ended.output
