"""What is said at the end of a run is true, also where Taskgrove ends with it."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskgrove.local.home import throw_away_home
from taskgrove.local.state import stop_running
from tests.e2e.grove import ROOT

NOTES = "# Release\n\n## Build\n- integration: yes\n- check-file: a.txt\n\n```sh\necho a > a.txt\n```\n"


@pytest.fixture
def root() -> Iterator[Path]:
    """A data directory in memory, on which nothing runs afterwards."""
    directory = throw_away_home()
    yield directory
    stop_running(directory)
    shutil.rmtree(directory, ignore_errors=True)


def taskgrove(*args: str, at: Path) -> subprocess.CompletedProcess[str]:
    """A command, called in this directory."""
    env = {name: value for name, value in os.environ.items() if name not in ("TASKGROVE_API", "TASKGROVE_KEY")}
    command = [sys.executable, "-m", "taskgrove.cli.main", *args]
    return subprocess.run(command, cwd=at, env={**env, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120, check=False)


def test_what_a_run_advises_works_as_it_is_typed_though_taskgrove_ended_with_it(root: Path, tmp_path: Path) -> None:
    (tmp_path / "n.md").write_text(NOTES)
    done = taskgrove("run", "n.md", "--data", str(root), at=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    copy = re.search(r"to copy them: taskgrove (.*)", done.stdout)
    first = re.search(r"Taskgrove ends with this run; it is there for such commands again after: taskgrove (.*)", done.stdout)
    assert copy
    assert first
    assert taskgrove(*shlex.split(copy[1]), at=tmp_path).returncode == 4
    for advice in (first, copy):
        then = taskgrove(*shlex.split(advice[1]), at=tmp_path)
        assert then.returncode == 0, then.stdout + then.stderr
    assert (tmp_path / "DIR" / "a.txt").read_text() == "a\n"
    again = taskgrove("run", "n.md", "--data", str(root), at=tmp_path)
    assert "ends with this run" not in again.stdout
