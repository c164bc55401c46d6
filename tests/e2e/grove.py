"""A Taskgrove as its users have it: started by the command line, five services as processes, a real MongoDB and RabbitMQ."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import psutil
from pymongo import AsyncMongoClient

from taskgrove.cli.place import local_key
from taskgrove.client import Client
from taskgrove.local.home import Home
from taskgrove.local.state import State, read_state

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 60.0
"""No command of these tests may take longer: without a terminal nothing may wait for input."""

SETTINGS = {
    "PYTHONPATH": str(ROOT),
    "TASKGROVE_EXECUTOR_CALLABLES": "tests.e2e.effects",
    "TASKGROVE_EXECUTOR_LEASE_SECONDS": "3",
    "TASKGROVE_CHECKER_LEASE_SECONDS": "3",
    "TASKGROVE_SEQUENCER_RETRY_BASE_SECONDS": "0.2",
    "TASKGROVE_DRAIN_SECONDS": "2",
}


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that came to its end."""

    status: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """All that it wrote."""
        return self.out + self.err

    @property
    def json(self) -> Any:
        """Its output, which must be one JSON document."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """Its output, which must be a JSON document a line."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass
class Grove:
    """One data directory, and what is done with it."""

    root: Path
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def env(self) -> dict[str, str]:
        """What commands are called with."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TASKGROVE_")}
        return {**inherited, **SETTINGS, **self.settings, "TASKGROVE_HOME": str(self.root)}

    @property
    def state(self) -> State:
        """Who runs, and where."""
        state = read_state(self.root)
        assert state, f"nothing runs on {self.root}"
        return state

    @property
    def key(self) -> str:
        """The admin key."""
        return local_key(Home(self.root)) or ""

    async def spawn(self, *args: str, **env: str) -> asyncio.subprocess.Process:
        """`taskgrove ARGS`, without a terminal and with nothing to read."""
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "taskgrove.cli.main", *args),
            env={**self.env, **env},
            cwd=ROOT,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def cli(self, *args: str, **env: str) -> Ended:
        """`taskgrove ARGS` to its end, in bounded time."""
        return await ended(await self.spawn(*args, **env), what=" ".join(args))

    async def up(self) -> dict[str, Any]:
        """Start it, and come back when it is up."""
        started = await self.cli("up", "--detach", "--json")
        assert started.status == 0, started.said
        return dict(started.json)

    async def down(self) -> None:
        """End it in order; nothing of it may be left."""
        before = processes(self.state)
        stopped = await self.cli("down")
        assert stopped.status == 0, stopped.said
        assert alive(before) == []

    def client(self, key: str | None = None) -> Client:
        """The Python client, patient with a service that is being started again."""
        return Client(self.state.api_url, key=key or self.key, patience=30)

    def http(self, key: str | None = None) -> httpx2.AsyncClient:
        """Plain HTTP with a key."""
        headers = {"authorization": f"Bearer {key or self.key}"}
        return httpx2.AsyncClient(base_url=self.state.api_url, headers=headers, timeout=30, trust_env=False)

    async def docs(self, collection: str, **where: Any) -> list[dict[str, Any]]:
        """What is stored."""
        async with AsyncMongoClient[dict[str, Any]](self.state.store_url, tz_aware=True, serverSelectionTimeoutMS=5_000) as mongo:
            return await mongo[self.state.store_name][collection].find(where).to_list()

    def kill(self, name: str) -> psutil.Process:
        """End one of the processes as a crash or the kernel would."""
        process = self.state.processes[name].process()
        assert process, f"{name} does not run"
        process.send_signal(signal.SIGKILL)
        return process

    def kill_supervisor(self) -> None:
        """End who starts all others, as `kill -9` does."""
        os.kill(self.state.supervisor.pid, signal.SIGKILL)

    async def is_ready(self) -> bool:
        """Whether all five services answer that nothing is missing."""
        ports = [port for name, port in self.state.ports.items() if name not in ("mongod", "amqp", "dist", "epmd")]
        async with httpx2.AsyncClient(timeout=2, trust_env=False) as http:
            answers = await asyncio.gather(*(http.get(f"http://127.0.0.1:{port}/readyz") for port in ports), return_exceptions=True)
        return all(isinstance(answer, httpx2.Response) and answer.status_code == 200 for answer in answers)


async def ended(process: asyncio.subprocess.Process, *, what: str = "") -> Ended:
    """Its end, in bounded time."""
    try:
        async with asyncio.timeout(SECONDS):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        out, err = await process.communicate()
        raise AssertionError(f"`taskgrove {what}` hung; it wrote:\n{out.decode()}\n{err.decode()}") from None
    return Ended(process.returncode or 0, out.decode(), err.decode())


async def until(look: Callable[[], Awaitable[Any]], *, seconds: float = 30, what: str = "it") -> Any:
    """What `look` finds, once that is something."""
    deadline = time.monotonic() + seconds
    while not (found := await look()):
        assert time.monotonic() < deadline, f"{what} did not come true within {seconds:g} s"
        await asyncio.sleep(0.05)
    return found


def processes(state: State) -> list[psutil.Process]:
    """The supervisor, its children, and all below them."""
    refs = [state.supervisor, *state.processes.values()]
    found = [process for ref in refs if (process := ref.process())]
    return list(dict.fromkeys([*found, *(below for process in found for below in process.children(recursive=True))]))


def alive(which: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run."""
    return [process for process in which if process.is_running() and _status(process) != psutil.STATUS_ZOMBIE]


def _status(process: psutil.Process) -> str:
    try:
        return str(process.status())
    except psutil.NoSuchProcess:
        return psutil.STATUS_ZOMBIE
