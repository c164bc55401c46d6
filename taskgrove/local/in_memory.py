"""The same five services in one process, over the in-memory broker and store: nothing to install, and nothing survives."""

import asyncio
import shutil
import time
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Self

from shared.clock import ServerClock
from shared.memory.broker import MemoryBroker, MemoryExchange
from shared.memory.store import MemoryDatabase
from shared.service import Running, assemble, lay_ground
from shared.settings import CommonSettings
from shared.telemetry.logs import configure
from taskgrove.local.environment import environment
from taskgrove.local.home import Home, admin_keys, prepare, throw_away_home
from taskgrove.local.settings import OVERRULED, check_settings
from taskgrove.local.supervisor import SERVICES

KEYS = "TASKGROVE_APPROVALS_BOOTSTRAP_KEYS"
DRAIN_SECONDS = 5.0


class InMemoryStack:
    """All of Taskgrove in this process. `async with InMemoryStack() as stack:` starts it and ends it; its files are thrown away."""

    def __init__(self, *, http_port: int = 0, log_level: str = "info") -> None:
        """Raises BadInput for a wrong setting."""
        check_settings()
        self.start_seconds = 0.0
        self.home = Home(throw_away_home())
        with environment(OVERRULED):
            self._settings = CommonSettings(
                artifacts_url=self.home.artifacts.as_uri(),
                work_dir=self.home.work,
                http_host="127.0.0.1",
                http_port=http_port,
                log_level=log_level,
            )
        self._running: list[Running] = []
        self._closing = ExitStack()

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def api_url(self) -> str:
        """Where the HTTP API and the dashboard are."""
        server = next(running.server for running in self._running if running.ground.name == "approvals")
        return f"http://127.0.0.1:{server.port() if server else 0}"

    @property
    def log(self) -> Path:
        """The log of all services."""
        return self.home.log("in-memory")

    async def start(self) -> None:
        """Come back when all services hear and the API answers."""
        began = time.monotonic()
        prepare(self.home.root)
        log = self._closing.enter_context(self.log.open("a", encoding="utf-8"))
        configure(level=self._settings.log_level, stream=log)
        self._closing.callback(configure, level=self._settings.log_level)
        self._closing.enter_context(environment({KEYS: str(admin_keys(self.home))}))
        exchange, clock = MemoryExchange(), ServerClock()
        database = MemoryDatabase(clock)
        for name in SERVICES:
            ground = lay_ground(name, self._settings, broker=MemoryBroker(exchange), database=database, clock=clock)
            self._running.append(await assemble(ground, import_module(f"services.{name}.wiring").wire))
        # A task of its own for each: what a service binds to its log lines must not reach the others'.
        await asyncio.gather(*(asyncio.create_task(one.start(http=one.ground.name == "approvals")) for one in self._running))
        self.start_seconds = time.monotonic() - began

    async def stop(self) -> None:
        """End the services in order, and throw their files away."""
        for running in self._running:
            await running.stop(seconds=DRAIN_SECONDS)
        self._running = []
        self._closing.close()
        shutil.rmtree(self.home.root, ignore_errors=True)
