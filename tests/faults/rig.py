"""The rig of the fault tests: a replica set of three, RabbitMQ and the five services as processes of its own, and every fault of a process.

    async with Rig(replicas={"executor": 2}) as rig:      # everything is up and ready
        async with load(rig, lanes=3) as runs:            # workload.py: runs go on while faults happen
            rig.kill("executor-0")                        # SIGKILL; started again after RESTART_SECONDS unless rig.hold(name)
            await rig.ready()                             # all replicas answer 200 on /readyz
        # here all accepted runs are over
    tally = await verify(rig, list(runs.accepted))              # verify.py: lost, doubled, again, findings (call it inside the block)

Names: `planner-0`, `sequencer-0`, `executor-0`, `executor-1`, … (`rig.names("executor")`). Store: `rig.store` (replica_set.py: members,
primary(), start_member()); broker: `rig.broker` (taskgrove.local.rabbit.Rabbit). With `Rig(proxied=True)` the services reach both through
`rig.proxy` (proxy.py): links `broker`, `store-0`, `store-1`, `store-2`.
"""

import asyncio
import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Self

import httpx2
from pymongo import AsyncMongoClient

from shared.contracts.phases import TERMINAL
from taskgrove.cli.place import local_key
from taskgrove.client import Client
from taskgrove.local import home as homes
from taskgrove.local.parts import Program, find_mongod, find_rabbitmq
from taskgrove.local.ports import assign
from taskgrove.local.rabbit import Rabbit
from taskgrove.local.service import Service
from taskgrove.local.supervisor import SERVICES
from tests.faults.kept import Death, Kept
from tests.faults.ledger import Ledger
from tests.faults.proxy import Proxy, Route
from tests.faults.replica_set import Member, ReplicaSet

ROOT = Path(__file__).resolve().parents[2]
STORE_NAME = "faults"
READY_SECONDS = 90.0
STORES = ("store-0", "store-1", "store-2")

LEASE = 3.0
SHORT = {
    "TASKGROVE_EXECUTOR_LEASE_SECONDS": str(LEASE),
    "TASKGROVE_CHECKER_LEASE_SECONDS": str(LEASE),
    "TASKGROVE_PLANNER_LEASE_SECONDS": str(LEASE),
    "TASKGROVE_SEQUENCER_RETRY_BASE_SECONDS": "0.1",
    "TASKGROVE_SWEEP_SECONDS": "0.5",
    "TASKGROVE_DRAIN_SECONDS": "10",
}
"""What differs from the defaults so that a bench of faults ends soon: leases of 3 s (15 s), sweeps twice a second (once), retries after
0.1 s (1 s), a drain of at most 10 s (20 s). All other times, such as that after which a hint is said again, are those of production."""


class Rig:
    """Everything in one throw-away directory, ended by saved pids."""

    def __init__(
        self, *, replicas: Mapping[str, int] | None = None, settings: Mapping[str, str] | None = None, proxied: bool = False
    ) -> None:
        """`replicas`: how many of each service, one where it does not say. `settings`: further environment for all of them.

        `proxied`: the services reach broker and store through `self.proxy` only.
        """
        self.home = homes.prepare(homes.throw_away_home())
        self.ledger = Ledger(self.home.root / "ledger")
        self.deaths: list[Death] = []
        self.services: dict[str, Kept] = {}
        self._count = {name: (replicas or {}).get(name, 1) for name in SERVICES}
        self._settings = dict(settings or {})
        self._http = httpx2.AsyncClient(timeout=2, trust_env=False)
        backends = [*STORES, "amqp", "dist", "epmd"]
        self._ports = assign([*backends, *(f"{name} for services" for name in backends), *self._replicas()], kept={})
        links = {name: Route(self._ports[f"{name} for services"], self._ports[name], only="taskgrove") for name in STORES}
        links["broker"] = Route(self._ports["amqp for services"], self._ports["amqp"])
        self._proxy = Proxy(links, log=self.home.log("proxy")) if proxied else None
        self.store = self._replica_set()
        self.broker = Rabbit(find_rabbitmq(), self.home.root / "rabbitmq", ports=self._ports, log=self.home.log("rabbitmq"))
        self._mongo: AsyncMongoClient[dict[str, Any]] | None = None

    async def __aenter__(self) -> Self:
        try:
            if self._proxy:
                await self._proxy.start()
            await asyncio.gather(self.store.start(), self.broker.start())
            self._mongo = AsyncMongoClient(self.store.url, tz_aware=True, appname="rig", serverSelectionTimeoutMS=30_000)
            homes.admin_keys(self.home)
            for name in self._replicas():
                self.services[name] = Kept(partial(self._service, name), deaths=self.deaths)
            await asyncio.gather(*(kept.start() for kept in self.services.values()))
            await self.ready()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """End everything and throw the directory away."""
        await asyncio.gather(*(kept.stop() for kept in self.services.values()))
        if self._mongo:
            await self._mongo.close()
        await asyncio.gather(self.store.stop(), self.broker.stop())
        if self._proxy:
            await self._proxy.stop()
        await self._http.aclose()
        shutil.rmtree(self.home.root, ignore_errors=True)

    def names(self, service: str) -> list[str]:
        """All replicas of a service."""
        return [f"{service}-{number}" for number in range(self._count[service])]

    @property
    def api_url(self) -> str:
        """Of the first approvals service."""
        return f"http://127.0.0.1:{self._ports['approvals-0']}"

    def client(self, *, patience: float = 60.0) -> Client:
        """The Python client, patient with a service that is being started again."""
        return Client(self.api_url, key=local_key(self.home), patience=patience)

    @property
    def proxy(self) -> Proxy:
        """What stands between the services and broker and store."""
        assert self._proxy, "this rig has no proxy; it needs proxied=True"
        return self._proxy

    @property
    def documents(self) -> Any:
        """The database as pymongo has it."""
        assert self._mongo, "the rig is not up"
        return self._mongo[STORE_NAME]

    async def docs(self, collection: str, **where: Any) -> list[dict[str, Any]]:
        """What is stored."""
        found: list[dict[str, Any]] = await self.documents[collection].find(where).to_list()
        return found

    async def is_over(self, run_id: str) -> bool:
        """Whether the run has ended."""
        root = await self.documents["tasks"].find_one({"_id": run_id}, {"phase": 1})
        return bool(root and root["phase"] in TERMINAL)

    def kill(self, name: str) -> float:
        """End it as a crash would; when that was."""
        self.services[name].signal(signal.SIGKILL)
        return time.time()

    def terminate(self, name: str) -> float:
        """Ask it to end, as an orderly restart does; when that was."""
        self.services[name].signal(signal.SIGTERM)
        return time.time()

    def freeze(self, name: str) -> None:
        """Stop it where it stands (SIGSTOP); it keeps its connections and knows nothing of the time that passes."""
        self.services[name].signal(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """Let it go on (SIGCONT)."""
        self.services[name].signal(signal.SIGCONT)

    async def reborn(self, name: str, environment: Mapping[str, str]) -> int:
        """End its life, and begin another with this; its pid. When that ends it is not started again by itself, until `release`."""
        kept = self.services[name]
        kept.hold()
        life = kept.starts
        if kept.running:
            self.kill(name)
        kept.environment = lambda: environment
        while kept.running:
            await asyncio.sleep(0.01)
        kept.release()
        async with asyncio.timeout(READY_SECONDS):
            while kept.starts == life:
                await asyncio.sleep(0.01)
        kept.hold()
        return kept.pid

    def hold(self, name: str) -> None:
        """Do not start it again until `release`."""
        self.services[name].hold()

    def release(self, name: str) -> None:
        """It may be started again."""
        self.services[name].release()

    async def ready(self, *, seconds: float = READY_SECONDS) -> None:
        """Come back when all replicas are ready. Raises AssertionError that names those that are not, with their last lines."""
        deadline = time.monotonic() + seconds
        while missing := [name for name, kept in self.services.items() if not await kept.is_ready(self._http)]:
            if time.monotonic() > deadline:
                failures = [str(self.services[name].service.failure(restarts=self.services[name].starts)) for name in missing]
                raise AssertionError("\n".join(failures))
            await asyncio.sleep(0.1)

    async def metric(self, name: str, metric: str) -> float:
        """The sum of a metric's samples at this replica, in this life."""
        text = (await self._http.get(f"{self.services[name].service.url}/metrics")).text
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith((f"{metric} ", f"{metric}{{")))

    def log(self, name: str) -> str:
        """All that it wrote in all its lives."""
        return self.home.log(name).read_text(encoding="utf-8", errors="replace")

    def _replicas(self) -> list[str]:
        return [name for service in SERVICES for name in self.names(service)]

    def _replica_set(self) -> ReplicaSet:
        mongod = find_mongod()
        assert isinstance(mongod, Program), "the fault tests need mongod as a program: they kill and freeze its processes"
        root, ports = self.home.root, self._ports
        return ReplicaSet(mongod, [Member(name, ports[name], self._reached(name), root / name, self.home.log(name)) for name in STORES])

    def _reached(self, backend: str) -> int:
        """The port under which services reach it."""
        return self._ports[f"{backend} for services" if self._proxy else backend]

    def _service(self, name: str, more: Mapping[str, str]) -> Service:
        """`more`: what this one life is told beside the rest."""
        service = name.rpartition("-")[0]
        argv = [sys.executable, "-m", "tests.faults.launch" if more else f"services.{service}", *([service] if more else [])]
        return Service(name, argv, env={**self._environment(service), **more}, port=self._ports[name], log=self.home.log(name))

    def _environment(self, service: str) -> dict[str, str]:
        env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("TASKGROVE_")},
            "PYTHONPATH": str(ROOT),
            "TASKGROVE_BROKER_URL": self.broker.url.replace(str(self._ports["amqp"]), str(self._reached("amqp"))),
            "TASKGROVE_STORE_URL": self.store.url,
            "TASKGROVE_STORE_NAME": STORE_NAME,
            "TASKGROVE_ARTIFACTS_URL": self.home.artifacts.as_uri(),
            "TASKGROVE_WORK_DIR": str(self.home.work),
            "TASKGROVE_EXECUTOR_SANDBOX": "process",
            "TASKGROVE_CHECKER_SANDBOX": "process",
            "TASKGROVE_EXECUTOR_CALLABLES": "tests.faults.effects",
            **SHORT,
            **self._settings,
        }
        if service == "approvals":
            env["TASKGROVE_APPROVALS_BOOTSTRAP_KEYS"] = str(self.home.keys)
        return env
