"""Everything real, for the time of a measurement: mongod, RabbitMQ and the five services as processes on a throw-away directory."""

import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase

from shared.errors import TaskgroveError
from taskgrove.client import Client
from taskgrove.local.process import Child
from taskgrove.local.state import State, read_state
from taskgrove.local.supervisor import SERVICES, LocalStack

Documents = AsyncDatabase[dict[str, Any]]

CALLABLES = {"TASKGROVE_EXECUTOR_CALLABLES": "benchmarks.chores"}
READY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Bench:
    """A running Taskgrove, by its API, by its store, and by its processes."""

    stack: LocalStack
    client: Client
    documents: Documents
    store_url: str
    broker_url: str

    def processes(self) -> dict[str, psutil.Process]:
        """Of the services, and of the two that they stand on."""
        refs = self._state().processes.items()
        return {name: psutil.Process(ref.pid) for name, ref in refs if name in (*SERVICES, "mongod", "rabbitmq")}

    def port(self, service: str) -> int:
        """Where a service serves HTTP, with its metrics."""
        return self._state().ports[service]

    def _state(self) -> State:
        state = read_state(self.stack.home.root)
        if state is None:
            raise TaskgroveError("the benchmark's Taskgrove has written no state; did another program clear its directory?")
        return state


@contextmanager
def directory(*, in_memory: bool) -> Iterator[Path]:
    """A directory that goes when the measurement is over: on the disk of the temporary directory, or in memory."""
    parent = Path("/dev/shm") if in_memory else None  # noqa: S108 (mkdtemp makes a private directory in it)
    root = Path(tempfile.mkdtemp(prefix="taskgrove-bench-", dir=parent))
    try:
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


@asynccontextmanager
async def started(root: Path, settings: Mapping[str, str] | None = None) -> AsyncIterator[Bench]:
    """Taskgrove on `root`, as `taskgrove up` starts it; `settings` are further environment for the services."""
    async with LocalStack(root, settings={**CALLABLES, **(settings or {})}) as stack:
        state = read_state(root)
        if state is None:
            raise TaskgroveError(f"Taskgrove was started on {root} and has written no state there; look at its logs")
        key = json.loads(stack.home.keys.read_text(encoding="utf-8"))[0]["key"]
        store: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(state.store_url, tz_aware=True)
        async with Client(stack.api_url, key=key) as client, store:
            yield Bench(stack, client, store[state.store_name], state.store_url, state.broker_url)


@asynccontextmanager
async def replica(bench: Bench, service: str, **settings: str) -> AsyncIterator[psutil.Process]:
    """One more process of a service, with the environment of the first one and `settings`, ready to work."""
    environment = {**bench.processes()[service].environ(), "TASKGROVE_HTTP_PORT": "0", **settings}
    log = bench.stack.home.root / "logs" / f"{service}-{os.urandom(4).hex()}.log"
    child = await Child.spawn(service, [sys.executable, "-m", f"services.{service}"], env=environment, log=log)
    try:
        async with asyncio.timeout(READY_SECONDS):
            while '"service.ready"' not in log.read_text(encoding="utf-8", errors="replace"):
                if not child.running:
                    raise child.failure("Is a setting wrong?")
                await asyncio.sleep(0.05)
        yield psutil.Process(child.pid)
    finally:
        await child.stop()
