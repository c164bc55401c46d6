"""Services as processes of their own, any number of each: on a broker and a store that tests can hold up, and ended one by one."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aio_pika
import httpx2
import psutil
from prometheus_client.parser import text_string_to_metric_families
from pymongo import AsyncMongoClient

from shared.messaging.topology import queues
from taskgrove.client import Client
from taskgrove.local.home import Home, admin_keys, prepare
from taskgrove.local.process import Child, kill_group, tail
from taskgrove.local.supervisor import SERVICES
from tests.contracts.broker.proxy import Wire
from tests.e2e.grove import ROOT, until

READY_SECONDS = 60.0
DRAIN_SECONDS = 3.0
SETTINGS = {
    "PYTHONPATH": str(ROOT),
    "TASKGROVE_EXECUTOR_CALLABLES": "tests.e2e.effects",
    "TASKGROVE_SEQUENCER_RETRY_BASE_SECONDS": "0.2",
    "TASKGROVE_DRAIN_SECONDS": f"{DRAIN_SECONDS:g}",
}


@dataclass(slots=True)
class Process:
    """One replica of one service."""

    service: str
    child: Child
    log: Path
    ended: "asyncio.Task[int]"

    @property
    def lines(self) -> list[dict[str, Any]]:
        """What it has logged."""
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def said(self, event: str) -> list[dict[str, Any]]:
        """Its log lines of this name."""
        return [line for line in self.lines if line.get("event") == event]

    @property
    def port(self) -> int | None:
        """Where it listens, once it is ready."""
        ready = self.said("service.ready")
        return int(ready[-1]["port"]) if ready else None

    @property
    def url(self) -> str:
        """Its HTTP."""
        return f"http://127.0.0.1:{self.port}"

    async def listens(self) -> bool:
        """Whether it has come so far as to serve HTTP; it need not be ready."""
        assert self.child.running, f"{self.service} ended; its last lines:\n{tail(self.log)}"
        return any(one.status == psutil.CONN_LISTEN for one in psutil.Process(self.child.pid).net_connections())

    async def metrics(self) -> dict[str, float]:
        """Its samples, added up over their labels."""
        async with httpx2.AsyncClient(timeout=5, trust_env=False) as http:
            text = (await http.get(f"{self.url}/metrics")).text
        sums: dict[str, float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
        return sums

    def signal(self, number: int) -> None:
        """Send it a signal. It may be gone already."""
        if self.child.running:
            psutil.Process(self.child.pid).send_signal(number)

    async def end(self, *, seconds: float) -> int:
        """Its exit status, in bounded time."""
        try:
            return await asyncio.wait_for(asyncio.shield(self.ended), seconds)
        except TimeoutError:
            raise AssertionError(f"{self.service} did not end within {seconds:g} s; its last lines:\n{tail(self.log)}") from None


@dataclass
class Fleet:
    """What is started on one database, and ended with it."""

    home: Home
    store_url: str
    broker_url: str
    store_name: str
    settings: dict[str, str] = field(default_factory=dict)
    processes: list[Process] = field(default_factory=list)
    store: "AsyncMongoClient[dict[str, Any]] | None" = None

    def of(self, service: str) -> list[Process]:
        """The replicas of a service that still run."""
        return [process for process in self.processes if process.service == service and process.child.running]

    async def spawn(self, service: str, *, tree: Path = ROOT, **settings: str) -> Process:
        """One more replica, of the code in `tree`; it need not be ready when this returns."""
        log = self.home.root / "logs" / f"{service}-{len(self.processes)}.log"
        argv = [sys.executable, "-P", "-m", f"services.{service}"]
        child = await Child.spawn(service, argv, env=self._environment(tree, settings), log=log)
        process = Process(service, child, log, asyncio.create_task(child.wait()))
        self.processes.append(process)
        return process

    async def start(self, services: Iterable[str] = SERVICES, *, tree: Path = ROOT, **settings: str) -> list[Process]:
        """A replica of each of these, ready."""
        started = [await self.spawn(service, tree=tree, **settings) for service in services]
        for process in started:
            await self.ready(process)
        return started

    async def ready(self, process: Process) -> None:
        """Come back when it is."""

        async def is_ready() -> bool:
            assert process.child.running, f"{process.service} ended; its last lines:\n{tail(process.log)}"
            return process.port is not None

        await until(is_ready, seconds=READY_SECONDS, what=f"{process.service} ready")

    def client(self, process: Process | None = None) -> Client:
        """The API of one approvals service, by the admin key."""
        return Client((process or self.of("approvals")[0]).url, key=self.key, patience=30)

    @property
    def key(self) -> str:
        """The admin key."""
        return str(json.loads(self.home.keys.read_text(encoding="utf-8"))[0]["key"])

    async def docs(self, collection: str, **where: Any) -> list[dict[str, Any]]:
        """What is stored, whatever stands between the services and the store."""
        assert self.store is not None
        return await self.store[self.store_name][collection].find(where).to_list()

    async def total(self, metric: str) -> float:
        """A metric, added up over all that run."""
        return sum([(await process.metrics()).get(metric, 0.0) for process in self.processes if process.child.running])

    def _environment(self, tree: Path, settings: Mapping[str, str]) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("TASKGROVE_")}
        own = {
            "TASKGROVE_BROKER_URL": self.broker_url,
            "TASKGROVE_STORE_URL": self.store_url,
            "TASKGROVE_STORE_NAME": self.store_name,
            "TASKGROVE_ARTIFACTS_URL": self.home.artifacts.as_uri(),
            "TASKGROVE_WORK_DIR": str(self.home.work),
            "TASKGROVE_APPROVALS_BOOTSTRAP_KEYS": str(admin_keys(self.home)),
        }
        return {**inherited, **SETTINGS, **own, **self.settings, "PYTHONPATH": f"{tree}{os.pathsep}{ROOT}", **settings}


@asynccontextmanager
async def a_fleet(directory: Path, *, store_url: str, broker_url: str, store_name: str, **settings: str) -> AsyncIterator[Fleet]:
    """Nothing runs yet; queues are empty. All that was started is gone afterwards."""
    await _forget_queues(broker_url)
    home = prepare(directory)
    async with AsyncMongoClient[dict[str, Any]](store_url, tz_aware=True) as store:
        fleet = Fleet(home, store_url, broker_url, store_name, settings, store=store)
        try:
            yield fleet
        finally:
            for process in fleet.processes:
                kill_group(process.child.pid)
            await asyncio.gather(*(process.ended for process in fleet.processes))
            await store.drop_database(store_name)


@asynccontextmanager
async def wired(fleet: Fleet) -> AsyncIterator[tuple[Wire, Wire]]:
    """From now on the services reach store and broker over these two wires."""
    store, broker = urlsplit(fleet.store_url), urlsplit(fleet.broker_url)
    async with (
        Wire(store.hostname or "", store.port or 27_017).laid() as to_store,
        Wire(broker.hostname or "", broker.port or 5_672).laid() as to_broker,
    ):
        user = store.netloc.rpartition("@")[0]
        fleet.store_url = f"mongodb://{user}{'@' * bool(user)}127.0.0.1:{to_store.port}/?directConnection=true"
        fleet.broker_url = fleet.broker_url.replace(broker.netloc.rpartition("@")[2], f"127.0.0.1:{to_broker.port}")
        yield to_store, to_broker


async def timed_end(process: Process, *, since: float, seconds: float) -> tuple[int, float]:
    """Its exit status, and the seconds from `since` until it was gone."""
    status = await process.end(seconds=seconds)
    return status, time.monotonic() - since


async def _forget_queues(broker_url: str) -> None:
    """What another test left in them is nobody's any more."""
    async with await aio_pika.connect(broker_url) as connection, connection.channel() as channel:
        for queue in queues():
            await channel.queue_delete(queue.name)
