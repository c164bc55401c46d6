"""What `run` and `submit` refuse, `plan` refuses as well, in the same words."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from taskgrove.cli import main

NOTES = "# Release\n\n## Build\n\n```sh\ntrue\n```\n"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["-i", "a b=3", "NOTES"], "--input 'a b=3': 'a b' cannot be the name of an input"),
        (["-i", "1a=3", "NOTES"], "--input '1a=3'"),
        (["-i", "a=1", "-i", "a=2", "NOTES"], "--input a: it is given twice"),
        ([], "there is nothing to do: give notes"),
        (["--prompt", " "], "there is nothing to do: give notes"),
        (["--planner", "import"], "there is nothing to do: give notes"),
        (["--planner", "imprt", "NOTES"], "there is no planner 'imprt'"),
    ],
)
def test_a_dry_run_refuses_what_a_run_refuses(tmp_path: Path, given: list[str], said: str) -> None:
    (tmp_path / "n.md").write_text(NOTES)
    args = [str(tmp_path / "n.md") if arg == "NOTES" else arg for arg in given]
    commands = (["plan"], ["run", "--in-memory"], ["submit", "--data", str(tmp_path / "none")])
    refused: list[Any] = [CliRunner().invoke(main.app, [*command, *args]).exception for command in commands]
    assert {(str(error), error.exit_status) for error in refused} == {(str(refused[0]), 2)}
    assert said in str(refused[0])
