"""`taskgrove up --detach` that is interrupted while it waits takes along what it was waiting for."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from taskgrove.local.home import Home, throw_away_home
from taskgrove.local.state import stop_running

# As a shell in a terminal starts it: a Ctrl-C that is ignored at its start, as in a script's background, would stay ignored.
UP = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from taskgrove.cli.main import main; main()"


def of_home(root: Path) -> list[psutil.Process]:
    """Whatever runs on the directory."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and str(root) in " ".join(process.cmdline()):
                found.append(process)
    return found


@pytest.fixture
def root() -> Iterator[Path]:
    """A data directory in memory, on which nothing runs afterwards."""
    directory = throw_away_home()
    yield directory
    for process in of_home(directory):
        with suppress(psutil.Error):
            process.kill()
    shutil.rmtree(directory, ignore_errors=True)


def test_ctrl_c_while_waiting_ends_what_was_starting(root: Path) -> None:
    waiter = subprocess.Popen([sys.executable, "-c", UP, "up", "--detach", "--data", str(root)], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while not (root / "mongod").exists():  # it has the directory, and starts the store
        assert time.monotonic() < deadline
        assert waiter.poll() is None
        time.sleep(0.02)
    assert len(of_home(root)) >= 2
    waiter.send_signal(signal.SIGINT)
    _, said = waiter.communicate(timeout=60)
    assert (waiter.returncode, said) == (130, f"Stopped before it was up; the data stay in {root}\n")
    assert of_home(root) == []
    assert not Home(root).state.exists()
    assert stop_running(root) is False
