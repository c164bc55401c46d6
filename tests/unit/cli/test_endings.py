"""How a command ends: its exit status, and what is left when the terminal is closed or nobody answers."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.unit.cli.test_interrupts import NOTES

# As a shell in a terminal starts it, whatever the terminal of this test is like.
IN_TERMINAL = """
import fcntl, signal, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGHUP, signal.SIG_IGN if sys.argv.pop(1) == "nohup" else signal.SIG_DFL)
from taskgrove.cli.main import main
main()
"""
SHORT = "# Release\n\n## Build\n- check-file: a.txt\n\n```sh\necho a > a.txt\n```\n"


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """`taskgrove run --in-memory`, with a task that takes longer than a test."""
    (tmp_path / "n.md").write_text(NOTES)
    return ["run", "--in-memory", "--notes", str(tmp_path / "n.md")]


def at_terminal(how: str, command: list[str]) -> tuple["subprocess.Popen[bytes]", int]:
    """The command with a terminal of its own, and our end of it."""
    ours, its = os.openpty()
    with os.fdopen(its) as terminal:
        words = [sys.executable, "-c", IN_TERMINAL, how, *command]
        process = subprocess.Popen(words, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True)
    return process, ours


def home_of(process: "subprocess.Popen[bytes]", ours: int) -> Path:
    """Where it keeps its files, once the run has begun."""
    said = b""
    while b"Build" not in said or b"running" not in said:
        said += os.read(ours, 65_536)
    logs = [Path(file.path) for file in psutil.Process(process.pid).open_files() if file.path.endswith("/logs/in-memory.log")]
    return logs[0].parents[1]


def test_a_closed_terminal_ends_a_run_in_order(command: list[str]) -> None:
    process, ours = at_terminal("shell", command)
    home = home_of(process, ours)
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    os.close(ours)
    assert process.wait(timeout=40) == 130
    assert not home.exists()
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


def test_nohup_is_respected(command: list[str]) -> None:
    process, ours = at_terminal("nohup", command)
    home = home_of(process, ours)
    process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=1)
    assert home.exists()
    process.terminate()
    while True:  # it ends only when what it says is read
        try:
            os.read(ours, 65_536)
        except OSError:
            break
    os.close(ours)
    assert process.wait(timeout=40) == 130


def test_a_question_that_nobody_answers_names_the_option_that_needs_no_answer(call: Any, tmp_path: Path) -> None:
    (tmp_path / "n.md").write_text(SHORT)
    run = json.loads(call("run", "--notes", tmp_path / "n.md", "--json").stdout)["runId"]
    done: Any = call("rerun", f"{run}.1")
    assert (done.exception.exit_status, "--yes" in str(done.exception)) == (2, True)
    assert call("rerun", f"{run}.1", "--yes").exit_code == 0


def test_every_exit_status_is_told_in_the_help(call: Any) -> None:
    told = " ".join(call("--help").output.split())
    assert "Exit status: 0 completed" in told
    assert "4 no Taskgrove could be reached or started; 130 interrupted" in told
