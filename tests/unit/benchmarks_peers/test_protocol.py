"""A peer's program answers in one line, and refuses to when work was lost."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.peers import protocol, servers
from benchmarks.peers.protocol import About, Asked, measure

ABOUT = About("pytest", "pytest", "Nothing is.", {"processes": 1})
ASKED = Asked(fan=300, chain=20, broker_url="", store_url="")


def test_one_line_after_a_warm_up_of_both(capsys: pytest.CaptureFixture[str]) -> None:
    calls: list[tuple[str, int]] = []

    def noted(kind: str) -> protocol.Work:
        def work(count: int) -> int:
            calls.append((kind, count))
            return count

        return work

    measure(ABOUT, ASKED, fan=noted("fan"), chain=noted("chain"))
    said = json.loads(capsys.readouterr().out)
    assert calls == [("chain", protocol.WARM_CHAIN), ("chain", 20), ("fan", protocol.WARM_FAN), ("fan", 300)]
    assert (said["peer"], said["version"], said["durable"], said["settings"]) == (
        "pytest",
        pytest.__version__,
        "Nothing is.",
        {"processes": 1},
    )
    assert (said["fan"]["tasks"], said["chain"]["links"]) == (300, 20)


def test_an_answer_that_is_short_gives_no_figure(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="asked for 100 and got 99"):
        measure(ABOUT, ASKED, fan=lambda count: count - 1, chain=lambda count: count)
    assert capsys.readouterr().out == ""


def test_a_server_runs_for_as_long_as_it_is_needed(tmp_path: Path) -> None:
    port = servers.free_port()
    argv = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)]
    with servers.running(argv, log=tmp_path / "log", ready=lambda: servers.listens(port)):
        assert servers.listens(port)
    assert not servers.listens(port)


def test_a_server_that_does_not_start_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = [sys.executable, "-c", "raise SystemExit('no room')"]
    with pytest.raises(SystemExit, match="did not become ready"), servers.running(argv, log=tmp_path / "log", ready=lambda: False):
        pass
    assert "no room" in capsys.readouterr().err


def test_a_program_that_is_asked_to_end_ends_its_servers(tmp_path: Path) -> None:
    port = servers.free_port()
    script = (
        "import sys, time; from pathlib import Path; from benchmarks.peers import protocol, servers\n"
        "protocol.asked(None)\n"
        f"argv = [sys.executable, '-m', 'http.server', '--bind', '127.0.0.1', '{port}']\n"
        f"with servers.running(argv, log=Path({str(tmp_path / 'log')!r}), ready=lambda: servers.listens({port})):\n"
        "    print('up', flush=True); time.sleep(60)\n"
    )
    command = [sys.executable, "-c", script, "--fan", "1", "--chain", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as program:
        assert program.stdout
        assert program.stdout.readline() == "up\n"
        program.send_signal(signal.SIGTERM)
        assert program.wait(20) == protocol.TERMINATED
    assert not servers.listens(port)


def test_a_program_is_found_or_it_is_not() -> None:
    found = servers.find("sh")
    assert found
    assert found.is_file()
    assert servers.find("no-such-program") is None
