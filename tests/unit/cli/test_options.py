"""Options that several commands share: what is refused is refused before anything is written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
NOTES = "# Release\n\n## Build\n\n```sh\ntrue\n```\n"


def process(*args: object, at: Path) -> subprocess.CompletedProcess[str]:
    """A command, called in a directory."""
    command = [sys.executable, "-m", "taskgrove.cli.main", *map(str, args)]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TASKGROVE_HOME": str(at / "home")}
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
