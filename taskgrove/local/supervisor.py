"""Runs a whole Taskgrove on this machine: store and broker, then the five services, kept alive until told to stop."""

import asyncio
import json
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import httpx2
import structlog
from filelock import BaseFileLock

from shared.errors import Unavailable
from shared.messaging.definitions import ADMIN, PUBLISHER
from taskgrove.local import home as homes
from taskgrove.local.keeper import Keeper
from taskgrove.local.mongod import Mongod
from taskgrove.local.parts import find_mongod, find_rabbitmq
from taskgrove.local.ports import assign
from taskgrove.local.rabbit import Rabbit
from taskgrove.local.service import Service
from taskgrove.local.settings import check_settings
from taskgrove.local.state import State, end_orphans, own_ref, read_state, write_state

SERVICES = ("planner", "sequencer", "executor", "checker", "approvals")
BACKEND_PORTS = ("mongod", "amqp", "dist", "epmd")
STORE_NAME = "taskgrove"
READY_SECONDS = 60.0
HOPELESS_AFTER = 3


def service_commands() -> dict[str, list[str]]:
    """How each service is started: `python -m services.<name>` with the interpreter that runs this."""
    return {name: [sys.executable, "-m", f"services.{name}"] for name in SERVICES}


class LocalStack:
    """All of Taskgrove under one data directory. `async with LocalStack(...) as stack:` starts it and ends it."""

    def __init__(
        self,
        root: Path | None = None,
        *,
        http_port: int | None = None,
        ephemeral: bool = False,
        commands: Mapping[str, Sequence[str]] | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """`ephemeral`: a throw-away directory in memory. `settings`: further environment for the services. The rest has defaults."""
        self.start_seconds = 0.0
        self._ephemeral = ephemeral
        self._root = homes.throw_away_home() if ephemeral else root or homes.default_home()
        self._http_port = http_port
        self._commands = service_commands() if commands is None else commands
        self._settings = settings or {}
        self._keeper = Keeper(changed=self._write_state)
        self._backends: tuple[Mongod, Rabbit] | None = None
        self._services: dict[str, Service] = {}
        self._ports: dict[str, int] = {}
        self._started_at = time.time()
        self._lock: BaseFileLock | None = None
        self._log = structlog.get_logger("taskgrove.local")

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def home(self) -> homes.Home:
        return homes.Home(self._root.absolute())

    @property
    def api_url(self) -> str:
        """Where the approvals service listens: the HTTP API and the dashboard."""
        return f"http://127.0.0.1:{self._ports['approvals']}"

    def service(self, name: str) -> Service:
        """One of the services; its `child` has pid and log."""
        return self._services[name]

    def restarts(self, name: str) -> int:
        """How often it was started again since `start`."""
        return self._keeper.restarts[name]

    async def start(self) -> None:
        """Come back when all five services are ready; what was started is ended if that does not happen."""
        try:
            check_settings(self._settings)
            self._claim()
            await self._start_backends()
            await self._start_services()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Services first, so that they can finish what they hold, then broker and store."""
        await self._keeper.close()
        await asyncio.gather(*(service.stop() for service in self._services.values()))
        await asyncio.gather(*(backend.stop() for backend in self._backends or ()))
        self._services, self._backends = {}, None
        if self._lock:
            self.home.state.unlink(missing_ok=True)
            self._lock.release()
            self._lock = None
        if self._ephemeral:
            shutil.rmtree(self._root, ignore_errors=True)

    def _claim(self) -> None:
        """Take the directory, and clear away what a killed supervisor left on it."""
        home = homes.prepare(self._root)
        before = read_state(home.root)
        self._lock = homes.lock(home, holder=before.supervisor.pid if before else None)
        if before and (orphans := end_orphans(before)):
            self._log.warning("orphans_ended", count=orphans)
        homes.rotate_logs(home)
        wanted = {"approvals": self._http_port} if self._http_port else {}
        kept = json.loads(home.ports.read_text(encoding="utf-8")) if home.ports.exists() else {}
        self._ports = assign([*BACKEND_PORTS, *self._commands], kept=kept, wanted=wanted)
        homes.write_atomically(home.ports, json.dumps(self._ports, indent=2))

    async def _start_backends(self) -> None:
        home, ports = self.home, self._ports
        mongod, rabbitmq = await asyncio.gather(asyncio.to_thread(find_mongod), asyncio.to_thread(find_rabbitmq))
        passwords = homes.passwords(home, [ADMIN, PUBLISHER, *SERVICES])
        store = Mongod(mongod, home.root / "mongod", port=ports["mongod"], log=home.log("mongod"), passwords=passwords, database=STORE_NAME)
        broker = Rabbit(rabbitmq, home.root / "rabbitmq", ports=ports, log=home.log("rabbitmq"), passwords=passwords)
        self._backends = store, broker
        outcomes = await asyncio.gather(store.start(), broker.start(), return_exceptions=True)
        for outcome in outcomes:
            if outcome is not None:
                raise outcome
        for backend in self._backends:
            self._keeper.watch(backend)

    async def _start_services(self) -> None:
        began = time.monotonic()
        for name, argv in self._commands.items():
            service = Service(name, argv, env=self._environment(name), port=self._ports[name], log=self.home.log(name))
            await service.start()
            self._services[name] = service
            self._keeper.watch(service)
        self._write_state()
        await self._until_ready()
        self.start_seconds = time.monotonic() - began
        self._log.info("services_ready", seconds=round(self.start_seconds, 2))

    async def _until_ready(self) -> None:
        waiting = set(self._services.values())
        deadline = time.monotonic() + READY_SECONDS
        async with httpx2.AsyncClient(timeout=2, trust_env=False) as client:
            while waiting:
                for service in list(waiting):
                    if await service.is_ready(client):
                        waiting.discard(service)
                    elif self.restarts(service.name) >= HOPELESS_AFTER or time.monotonic() > deadline:
                        raise service.failure(restarts=self.restarts(service.name))
                await asyncio.sleep(0.05)

    def _running(self) -> tuple[Mongod, Rabbit]:
        if self._backends is None:
            raise Unavailable("store and broker are not started")
        return self._backends

    def _environment(self, name: str) -> dict[str, str]:
        """Each service has users of its own in store and broker, which let it write its slice and say its events, and nothing else."""
        store, broker = self._running()
        env = {
            **os.environ,
            "TASKGROVE_BROKER_URL": broker.url_of(name),
            "TASKGROVE_STORE_URL": store.url_of(name),
            "TASKGROVE_STORE_NAME": STORE_NAME,
            "TASKGROVE_ARTIFACTS_URL": self.home.artifacts.as_uri(),
            "TASKGROVE_WORK_DIR": str(self.home.work),
            "TASKGROVE_EXECUTOR_HIDDEN": str(self.home.root),
            "TASKGROVE_CHECKER_HIDDEN": str(self.home.root),
            **self._settings,
        }
        if name == "approvals":
            env["TASKGROVE_APPROVALS_BOOTSTRAP_KEYS"] = str(homes.admin_keys(self.home))
        return env

    def _write_state(self) -> None:
        store, broker = self._running()
        children = [*store.children, *broker.children, *(child for service in self._services.values() for child in service.children)]
        refs = {child.name: child.ref.model_copy(update={"restarts": self.restarts(child.name)}) for child in children}
        state = State(
            supervisor=own_ref(),
            started_at=self._started_at,
            ports=self._ports,
            api_url=self.api_url,
            broker_url=broker.url,
            publisher_url=broker.url_of(PUBLISHER),
            store_url=store.url,
            store_name=STORE_NAME,
            keys_file=str(self.home.keys),
            processes=refs,
        )
        write_state(self.home, state)
