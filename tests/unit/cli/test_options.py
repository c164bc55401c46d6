"""Options that several commands share: what is refused is refused before anything is written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
NOTES = "# Release\n\n## Build\n\n```sh\ntrue\n```\n"


def process(*args: object, at: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """A command, called in a directory."""
    command = [sys.executable, "-m", "taskgrove.cli.main", *map(str, args)]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TASKGROVE_HOME": str(at / "home"), **more}
    return subprocess.run(command, cwd=at, env=env, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    "command",
    [
        ("up", "-d", "--data", ""),
        ("status", "--data", ""),
        ("run", "n.md", "--in-memory", "--out", ""),
        ("watch", "last", "--api", "http://127.0.0.1:1", "--out", ""),
    ],
)
def test_a_directory_without_a_name_is_not_the_one_we_are_in(tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "n.md").write_text(NOTES)
    done = process(*command, at=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "give a directory" in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["n.md"]


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        (("up",), "TASKGROVE_EXECUTOR_LEASE_SECONDS"),
        (("up", "-d"), "TASKGROVE_EXECUTOR_LEASE_SECONDS"),
        (("up", "-d"), "TASKGROVE_MODEL_TIMEOUT_SECONDS"),
        (("run", "n.md"), "TASKGROVE_SWEEP_SECONDS"),
        (("run", "n.md", "--in-memory"), "TASKGROVE_SWEEP_SECONDS"),
        (("run", "n.md", "--in-memory"), "TASKGROVE_CHECKER_LEASE_SECONDS"),
    ],
)
def test_a_wrong_setting_is_told_once_and_nothing_is_started(tmp_path: Path, command: tuple[str, ...], wrong: str) -> None:
    (tmp_path / "n.md").write_text(NOTES)
    done = process(*command, at=tmp_path, **{wrong: "nonsense"})
    assert done.returncode == 2
    assert done.stderr.count(f"{wrong}=nonsense: ") == 1
    assert len(done.stderr.splitlines()) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["n.md"]


def test_a_setting_that_is_not_used_cannot_be_wrong(tmp_path: Path) -> None:
    (tmp_path / "n.md").write_text(NOTES)
    done = process("run", "n.md", "--in-memory", at=tmp_path, TASKGROVE_BROKER_URL="nonsense", TASKGROVE_HTTP_PORT="nonsense")
    assert (done.returncode, done.stderr) == (0, "")
