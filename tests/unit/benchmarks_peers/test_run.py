"""What is done with a peer: its environment is known by its lock, its answer is read, and nothing of it runs on."""

import asyncio
import json
import time
from pathlib import Path

import psutil
import pytest

from benchmarks.peers import run
from benchmarks.peers.run import PEERS, PeerFigures, environment, install, installed, lacking, measure
from shared.errors import BadInput, MissingPart, TaskgroveError

PEER = "langgraph"
LINE = {
    "peer": PEER,
    "version": "1.2",
    "fan": {"tasks": 200, "seconds": 0.5, "tasks_per_second": 400.0},
    "chain": {"links": 20, "seconds": 0.1, "ms_per_link": 5.0},
    "durable": "Nothing is.",
    "settings": {"processes": 1},
}


def pretended(root: Path, script: str) -> Path:
    """An environment whose interpreter is a script of ours."""
    place = environment(PEER, root)
    python = place / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    python.chmod(0o755)
    (place / run.DONE).touch()
    return place


async def measured(root: Path, *, timeout: float = 20.0) -> PeerFigures:
    return await measure(PEER, fan=200, chain=20, broker_url="amqp://here", store_url="mongodb://here", timeout=timeout, root=root)


async def test_the_last_line_of_a_peer_is_its_figures(tmp_path: Path) -> None:
    pretended(tmp_path, f"echo chatter; echo '{json.dumps(LINE)}'")
    found = await measured(tmp_path)
    assert (found.peer, found.version, found.durable, found.settings) == (PEER, "1.2", "Nothing is.", {"processes": 1})
    assert (found.fan_tasks, found.tasks_per_second) == (200, 400.0)
    assert (found.chain_links, found.ms_per_link) == (20, 5.0)


async def test_a_peer_is_told_how_much_and_where(tmp_path: Path) -> None:
    place = pretended(tmp_path, f"""echo "$@" > "$(dirname "$0")/asked"; echo '{json.dumps(LINE)}'""")
    await measured(tmp_path)
    asked = (place / "bin" / "asked").read_text(encoding="utf-8").split()
    assert asked[:2] == ["-m", f"benchmarks.peers.{PEER}"]
    assert asked[2:] == ["--fan", "200", "--chain", "20", "--broker-url", "amqp://here", "--store-url", "mongodb://here"]


async def test_a_peer_that_fails_says_why(tmp_path: Path) -> None:
    pretended(tmp_path, "echo the reason >&2; exit 3")
    with pytest.raises(TaskgroveError, match=r"(?s)ended with status 3.*the reason"):
        await measured(tmp_path)


async def test_a_peer_that_is_late_is_ended_in_order(tmp_path: Path) -> None:
    pretended(tmp_path, "trap 'echo in order >&2; kill $!; exit 0' TERM; sleep 60 & wait")
    with pytest.raises(TaskgroveError, match=r"(?s)was not done after 1 s.*in order"):
        await measured(tmp_path, timeout=1.0)


async def test_what_a_peer_started_does_not_outlive_it(tmp_path: Path) -> None:
    place = pretended(tmp_path, f"""sleep 60 & echo $! > "$(dirname "$0")/pid"; echo '{json.dumps(LINE)}' >&2; exit 4""")
    with pytest.raises(TaskgroveError, match="status 4"):
        await measured(tmp_path)
    await _gone(int((place / "bin" / "pid").read_text(encoding="utf-8")))


async def test_a_measurement_that_is_given_up_ends_its_peer(tmp_path: Path) -> None:
    place = pretended(tmp_path, """echo $$ > "$(dirname "$0")/pid"; exec sleep 60""")
    measuring = asyncio.ensure_future(measured(tmp_path))
    while not (place / "bin" / "pid").exists():
        await asyncio.sleep(0.02)
    measuring.cancel()
    with pytest.raises(asyncio.CancelledError):
        await measuring
    await _gone(int((place / "bin" / "pid").read_text(encoding="utf-8")))


async def _gone(pid: int) -> None:
    until = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < until, "it still runs"
        await asyncio.sleep(0.05)


async def test_a_peer_that_is_not_there_says_how_to_get_it(tmp_path: Path) -> None:
    assert not installed(PEER, tmp_path)
    with pytest.raises(MissingPart, match=f"python -m benchmarks.peers install {PEER} --root {tmp_path}"):
        await measured(tmp_path)


def test_an_environment_that_is_there_is_left_alone(tmp_path: Path) -> None:
    place = pretended(tmp_path, "exit 1")
    assert install(PEER, tmp_path) == place
    assert installed(PEER, tmp_path)
    assert lacking(PEER, tmp_path) is None


def test_a_name_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="There is no peer nobody"):
        environment("nobody", tmp_path)


@pytest.mark.parametrize("name", PEERS)
def test_every_peer_has_a_program_and_a_lock_of_what_it_asks_for(name: str) -> None:
    assert (run.HERE / f"{name}.py").is_file()
    lock = (run.HERE / f"{name}.txt").read_text(encoding="utf-8")
    asked = [line for line in (run.HERE / f"{name}.in").read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    assert asked
    assert [line for line in asked if "==" not in line or f"{line.partition('[')[0].partition('==')[0]}==" not in lock] == []
    entries = [entry for entry in lock.replace("\\\n", " ").splitlines() if entry and not entry.lstrip().startswith("#")]
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


def test_every_lock_is_of_a_peer() -> None:
    assert {path.stem for path in run.HERE.glob("*.txt")} == set(PEERS)
