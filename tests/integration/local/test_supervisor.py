"""The local stack heals what dies, ends in order, and recovers from its own violent end."""

import ast
import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from shared.errors import AlreadyRunning, Unavailable
from taskgrove.local.home import throw_away_home
from taskgrove.local.process_ref import ProcessRef
from taskgrove.local.state import State, read_state, stop_running
from taskgrove.local.supervisor import SERVICES, LocalStack

Commands = Mapping[str, list[str]]
RUN_STACK = Path(__file__).with_name("run_stack.py")


@pytest.fixture
def root() -> Iterator[Path]:
    """A data directory in memory."""
    directory = throw_away_home()
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


async def until(condition: Callable[[], bool], *, seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


async def spawn(root: Path, commands: Commands) -> asyncio.subprocess.Process:
    """A supervisor as a process of its own, once it is up."""
    env = {**os.environ, "FAKE_COMMANDS": json.dumps(commands)}
    process = await asyncio.create_subprocess_exec(sys.executable, str(RUN_STACK), str(root), env=env, stdout=asyncio.subprocess.DEVNULL)
    await until(lambda: len(processes_of(root)) == len(SERVICES) + 3 or process.returncode is not None, seconds=60)
    assert process.returncode is None
    return process


def processes_of(root: Path) -> dict[str, ProcessRef]:
    state = read_state(root)
    return state.processes if state else {}


def alive(state: State | None) -> list[str]:
    assert state
    return [name for name, ref in state.processes.items() if ref.process()]


@pytest.fixture(scope="module")
async def stack(fake_commands: Commands) -> AsyncIterator[LocalStack]:
    began = time.monotonic()
    async with LocalStack(ephemeral=True, commands=fake_commands) as running:
        print(f"\nbroker, store and five trivial services: {time.monotonic() - began:.1f} s, services alone {running.start_seconds:.1f} s")
        yield running


@pytest.mark.parametrize("name", [*SERVICES, "mongod", "rabbitmq"])
async def test_what_is_killed_comes_back(stack: LocalStack, name: str) -> None:
    before = processes_of(stack.home.root)[name]
    os.kill(before.pid, signal.SIGKILL)
    await until(lambda: processes_of(stack.home.root)[name].pid != before.pid)
    assert stack.restarts(name) == processes_of(stack.home.root)[name].restarts == 1


def test_services_are_told_where_everything_is_and_only_approvals_where_the_keys_are(stack: LocalStack) -> None:
    told = {name: ast.literal_eval(stack.home.log(name).read_text().splitlines()[-1]) for name in SERVICES}
    state = read_state(stack.home.root)
    assert state
    for variable, url in (("TASKGROVE_BROKER_URL", state.broker_url), ("TASKGROVE_STORE_URL", state.store_url)):
        users = {name: urlsplit(env[variable]) for name, env in told.items()}
        assert {name: user.username for name, user in users.items()} == {name: name for name in SERVICES}
        assert len({user.password for user in users.values()}) == len(SERVICES)
        assert {(user.hostname, user.port) for user in users.values()} == {(urlsplit(url).hostname, urlsplit(url).port)}
    assert {env["TASKGROVE_ARTIFACTS_URL"] for env in told.values()} == {stack.home.artifacts.as_uri()}
    assert {env["TASKGROVE_WORK_DIR"] for env in told.values()} == {str(stack.home.work)}
    assert [name for name, env in told.items() if env.get("TASKGROVE_APPROVALS_BOOTSTRAP_KEYS") == state.keys_file] == ["approvals"]


async def test_a_second_start_is_refused_and_names_the_first(stack: LocalStack, fake_commands: Commands) -> None:
    second = LocalStack(stack.home.root, commands=fake_commands)
    with pytest.raises(AlreadyRunning, match=rf"process {os.getpid()}\).*taskgrove down"):
        await second.start()
    assert len(alive(read_state(stack.home.root))) == len(SERVICES) + 3


async def test_sigterm_and_down_end_everything_and_the_ports_are_kept(root: Path, fake_commands: Commands) -> None:
    process = await spawn(root, fake_commands)
    state = read_state(root)
    # From another process, as `taskgrove down` is: here it would reap our own child before asyncio does.
    down = "import sys, pathlib; from taskgrove.local.state import stop_running; sys.exit(not stop_running(pathlib.Path(sys.argv[1])))"
    stopped = await asyncio.create_subprocess_exec(sys.executable, "-c", down, str(root))
    assert await stopped.wait() == 0
    assert await process.wait() == 0
    assert alive(state) == []
    assert read_state(root) is None
    assert state
    assert json.loads((root / "ports.json").read_text()) == state.ports


async def test_down_during_a_start_says_so_and_the_start_goes_on(root: Path, fake_commands: Commands) -> None:
    async with LocalStack(root, commands=fake_commands) as stack:
        stack.home.state.rename(root / "later.json")  # as it is until broker, store and services are spawned
        with pytest.raises(AlreadyRunning, match=r"still starting on .*Wait until it is up"):
            stop_running(root)
        (root / "later.json").rename(stack.home.state)
        assert len(alive(read_state(root))) == len(SERVICES) + 3


async def test_a_killed_supervisor_takes_its_children_along_and_the_next_start_works(root: Path, fake_commands: Commands) -> None:
    process = await spawn(root, fake_commands)
    state = read_state(root)
    process.kill()
    await process.wait()
    await until(lambda: alive(state) == [])
    async with LocalStack(root, commands=fake_commands) as again:
        assert state
        assert again.api_url == state.api_url
        assert processes_of(root)["mongod"].pid != state.processes["mongod"].pid


async def test_a_service_that_cannot_start_is_an_error_with_its_last_lines(root: Path, fake_commands: Commands) -> None:
    stack = LocalStack(root, commands=fake_commands, settings={"FAKE_BROKEN": "checker"})
    with pytest.raises(Unavailable, match=r"checker did not become ready(.|\n)*checker\.log(.|\n)*TASKGROVE_SETTING is wrong"):
        await stack.start()
    assert not [child for child in psutil.Process().children() if str(root) in " ".join(child.cmdline())]


def test_orphans_are_ended_by_pid_and_birth(root: Path) -> None:
    orphan = subprocess.Popen(["sleep", "60"], start_new_session=True)
    gone = ProcessRef(pid=orphan.pid, born=0)
    left = ProcessRef.of(orphan.pid)
    urls = {"api_url": "", "broker_url": "", "store_url": "", "store_name": "", "keys_file": ""}
    state = State(supervisor=gone, started_at=0, ports={}, processes={"planner": left}, **urls)
    (root / "state.json").write_text(state.model_dump_json())
    assert stop_running(root)
    assert left.process() is None
    orphan.wait()
