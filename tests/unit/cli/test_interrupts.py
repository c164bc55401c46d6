"""Ctrl-C and SIGTERM: what is said is true, and nothing stays behind that should not."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest

from tests.unit.cli.views import RUN, task

NOTES = "# Release\n\n## Build\n- check-file: a.txt\n\n```sh\nsleep 50; touch a.txt\n```\n"


class Slow(ThreadingHTTPServer):
    """A Taskgrove that takes a run, and leaves all else without an answer; one that is `mute` does not even say that it took it."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, *, mute: bool) -> None:
        super().__init__(("127.0.0.1", 0), Slowly)
        self.mute = mute
        self.reached, self.over = threading.Event(), threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Slowly(BaseHTTPRequestHandler):
    server: Slow

    def do_POST(self) -> None:
        if self.path != "/tasks" or self.server.mute:
            self.do_GET()
            return
        body = task("").model_dump_json(by_alias=True).encode()
        self.send_response(201)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.server.reached.set()
        self.server.over.wait(60)

    def log_message(self, *_: object) -> None:
        """Requests are not worth a line."""


@pytest.fixture
def slow() -> Iterator[Callable[..., Slow]]:
    """Starts one, which is ended after the test."""
    servers: list[Slow] = []

    def started(*, mute: bool) -> Slow:
        servers.append(Slow(mute=mute))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return servers[-1]

    yield started
    for server in servers:
        server.over.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """`taskgrove run` with notes, killed at the end if it is not over."""
    (tmp_path / "n.md").write_text(NOTES)
    started: list[subprocess.Popen[str]] = []

    def spawn(*args: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "taskgrove.cli.main", "run", "--notes", str(tmp_path / "n.md"), *args]
        env = {**os.environ, "PYTHONUNBUFFERED": "1"}
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env))
        return started[-1]

    yield spawn
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_while_a_run_is_submitted_nobody_knows_whether_it_began(
    slow: Callable[..., Slow], run: Callable[..., "subprocess.Popen[str]"], number: int
) -> None:
    server = slow(mute=True)
    process = run("--api", server.url)
    assert server.reached.wait(20)
    process.send_signal(number)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "it is not known whether it began" in said
    assert f"`taskgrove status --api {server.url}`" in said
    assert "before the run began" not in said


def test_a_run_on_another_taskgrove_is_kept_there_and_the_advice_works(
    slow: Callable[..., Slow], run: Callable[..., "subprocess.Popen[str]"]
) -> None:
    server = slow(mute=False)
    process = run("--api", server.url)
    assert server.reached.wait(20)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert f"The run {RUN} is kept: it goes on there; follow it with `taskgrove watch" in said
    assert f"--api {server.url}`" in said
    assert "taskgrove up" not in said, "`up` is for this machine, and has no --api"


def test_sigterm_leaves_nothing_of_a_run_in_memory(run: Callable[..., "subprocess.Popen[str]"]) -> None:
    process = run("--in-memory")
    assert process.stdout
    assert any(line.startswith("Run ") for line in process.stdout)
    logs = [Path(file.path) for file in psutil.Process(process.pid).open_files() if file.path.endswith("/logs/in-memory.log")]
    home = logs[0].parents[1]
    assert (home / "keys.json").exists()
    process.terminate()
    _, said = process.communicate(timeout=40)
    assert (process.returncode, said) == (130, "Stopped; a run in memory is not kept.\n")
    assert not home.exists()
