"""The commands as they are called: help, bad input, and JSON on stdout with nothing else."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from taskgrove.cli import main
from taskgrove.cli.main import COMMANDS

NOTES = (
    "# Release\n\n## Build\n- check-file: a.txt\n- estimate: 2s\n\n```sh\ntouch a.txt\n```\n\n## Ship\n- after: Build\n\n```sh\ntrue\n```\n"
)


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    file = tmp_path / "release.md"
    file.write_text(NOTES)
    return file


def call(*args: object) -> Result:
    return CliRunner().invoke(main.app, [str(arg) for arg in args])


def process(*args: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "taskgrove.cli.main", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_help_lists_every_command_without_importing_any() -> None:
    began = time.monotonic()
    done = process("--help")
    assert time.monotonic() - began < 2.5
    assert all(f"  {name} " in done.stdout for name in COMMANDS)
    code = "import sys, taskgrove.cli.main; print([m for m in ('pydantic', 'httpx2', 'rich', 'asyncio') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "command", [[name] for name in COMMANDS] + [["quarantine", name] for name in ("list", "show", "replay", "discard")]
)
def test_every_command_has_help_and_json(command: Sequence[str]) -> None:
    done = call(*command, "--help")
    assert done.exit_code == 0
    assert "--json" in done.output or command == ["quarantine"]


def test_a_word_that_is_no_command_gets_the_nearest_one() -> None:
    done = process("aprove", "x")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Did you mean 'approve'" in done.stderr


def test_a_plan_for_programs_has_tree_sequence_and_lint(notes: Path) -> None:
    done = call("plan", "--notes", notes, "--json")
    plan = json.loads(done.stdout)
    assert done.exit_code == 0
    assert [task["title"] for task in plan["plan"]["tasks"]] == ["Build", "Ship"]
    assert plan["sequence"]["groups"] == [["build"], ["ship"]]
    assert plan["sequence"]["order"] == ["build", "ship"]
    assert plan["sequence"]["criticalPath"][0] == "build"
    assert plan["forecastSeconds"] == 2.0
    assert [(one["code"], one["path"]) for one in plan["lint"]] == [("no-check", ["Ship"])]


def test_a_plan_for_people_names_all_of_it(notes: Path) -> None:
    done = call("plan", "--notes", notes)
    for part in (
        "Release  2 tasks",
        "check: file a.txt",
        "after Build",
        "order",
        "group 2",
        "critical path",
        "forecast",
        "[no-check] Ship",
    ):
        assert part in done.output


def test_bad_notes_are_one_message_with_file_and_line(tmp_path: Path) -> None:
    bad = tmp_path / "bad.md"
    bad.write_text("# A\n\n## B\n- aftr: C\n\n```sh\ntrue\n```\n")
    for command in ("plan", "run", "submit"):
        done = process(command, "--notes", bad)
        assert (done.returncode, done.stdout) == (2, "")
        assert f"{bad}:4: `aftr` is no key; did you mean `after`?" in done.stderr
        assert "Traceback" not in done.stderr


def test_an_error_cannot_steer_the_terminal(tmp_path: Path) -> None:
    done = process("status", "--data", tmp_path / "x\x1b[2J")
    assert (done.returncode, "no Taskgrove runs on" in done.stderr, "\x1b" in done.stderr) == (4, True, False)


def test_notes_may_follow_each_other_as_a_shell_puts_them(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.md").write_text(NOTES.replace("Release", name))
    done = call("plan", "--json", "--notes", tmp_path / "a.md", tmp_path / "b.md")
    assert [task["title"] for task in json.loads(done.stdout)["plan"]["tasks"]] == ["a", "b"]


@pytest.mark.parametrize("given", ["novalue", "=x", "A=1"])
def test_inputs_are_checked(notes: Path, given: str) -> None:
    done = process("plan", "--notes", notes, "--input", given, "--input", "A=2")
    assert done.returncode == 2
    assert "--input" in done.stderr


@pytest.mark.parametrize(
    "command", [["status"], ["inbox"], ["logs", "last"], ["cancel", "last"], ["export", "last"], ["quarantine", "list"]]
)
def test_where_nothing_runs_every_command_says_how_to_start(tmp_path: Path, command: Sequence[str]) -> None:
    done = process(*command, "--data", tmp_path, "--json")
    assert (done.returncode, done.stdout) == (4, "")
    assert f"no Taskgrove runs on {tmp_path}; start one with `taskgrove up --data {tmp_path}`" in done.stderr


def test_closed_streams_are_as_good_as_nobody_there(notes: Path) -> None:
    command = ["sh", "-c", 'exec "$@" <&- >&-', "sh", sys.executable, "-m", "taskgrove.cli.main", "plan", "--notes", str(notes)]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_down_where_nothing_runs_is_no_error(tmp_path: Path) -> None:
    assert json.loads(call("down", "--data", tmp_path, "--json").stdout) == {"stopped": False, "data": str(tmp_path)}


def test_a_file_that_is_no_export_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_text("{]")
    done = process("import", file, "--data", tmp_path)
    assert done.returncode == 2
    assert f"{file}:1: this is not JSON" in done.stderr


def test_the_version_is_told() -> None:
    assert process("--version").stdout.startswith("taskgrove ")
