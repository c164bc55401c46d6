"""One replica of a service as a process of the rig: started again when it dies, unless held back; every death is on record."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import httpx2

from taskgrove.local.service import Service
from tests.faults.failpoints import KILL

RESTART_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Death:
    """A process that ended, and when (seconds since 1970). `meant`: a fault asked for it."""

    name: str
    pid: int
    at: float
    status: int
    meant: bool


class Kept:
    """One replica. `environment` is asked for at every start, so that each life may be given another failpoint."""

    def __init__(self, make: Callable[[Mapping[str, str]], Service], *, deaths: list[Death]) -> None:
        self._make = make
        self._deaths = deaths
        self.service = make({})
        self.name = self.service.name
        self.starts = 0
        self.environment: Callable[[], Mapping[str, str]] = dict
        self._meant = set[int]()
        self._signalled = set[int]()
        self._may_run = asyncio.Event()
        self._may_run.set()
        self._keeper: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """Of the life that runs now."""
        assert self.service.child, f"{self.name} was never started"
        return self.service.child.pid

    @property
    def running(self) -> bool:
        """Whether its process is there; it may be frozen."""
        return self.service.child is not None and self.service.child.running

    async def start(self) -> None:
        """Start it, and keep it."""
        await self._spawn()
        self._keeper = asyncio.create_task(self._keep(), name=f"keep {self.name}")

    def signal(self, number: signal.Signals) -> int:
        """Send it a signal, as the kernel or an operator would; the pid that got it."""
        pid = self.pid
        if number in (signal.SIGKILL, signal.SIGTERM):
            self._signalled.add(pid)
            self._meant.add(pid)
        os.kill(pid, number)
        return pid

    def hold(self) -> None:
        """Once it has ended, do not start it again until `release`."""
        self._may_run.clear()

    def release(self) -> None:
        """It may run again."""
        self._may_run.set()

    async def is_ready(self, http: httpx2.AsyncClient) -> bool:
        """Whether it answers that nothing is missing."""
        return self.running and self.pid not in self._signalled and await self.service.is_ready(http)

    async def stop(self) -> None:
        """End it for good."""
        if self._keeper:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self.service.child and self.running:
            self._meant.add(self.pid)
            os.kill(self.pid, signal.SIGCONT)
            await self.service.child.stop(seconds=5)

    async def _spawn(self) -> None:
        environment = self.environment()
        self.service = self._make(environment)
        await self.service.start()
        self.starts += 1
        if KILL in environment:
            self._meant.add(self.pid)

    async def _keep(self) -> None:
        while True:
            child = self.service.child
            assert child, f"{self.name} was never started"
            status = await child.wait()
            self._deaths.append(Death(self.name, child.pid, time.time(), status, child.pid in self._meant))
            await child.stop()  # what it started itself
            await asyncio.sleep(RESTART_SECONDS)
            await self._may_run.wait()
            await self._spawn()
