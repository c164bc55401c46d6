"""Starts again what died, with growing pauses, and counts."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Protocol

import structlog

from shared.clock import full_jitter
from shared.errors import TaskgroveError
from taskgrove.local.process import Child

SHORTEST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
CALM_SECONDS = 30.0


class Component(Protocol):
    """Broker, store or service."""

    name: str
    child: Child | None

    async def start(self) -> None:
        """Run it; return when it does its work, or at least runs."""

    async def stop(self) -> None:
        """End it and all that belongs to it."""


class Keeper:
    """Watches components, one asyncio task each. `changed` is called after every restart."""

    def __init__(self, *, changed: Callable[[], None]) -> None:
        self.restarts: Counter[str] = Counter()
        self._changed = changed
        self._tasks: set[asyncio.Task[None]] = set()
        self._log = structlog.get_logger("taskgrove.local")

    def watch(self, component: Component) -> None:
        """From now on `component` is started again whenever it ends."""
        task = asyncio.create_task(self._keep(component), name=f"keep {component.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Watch no more; what runs, runs on."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep(self, component: Component) -> None:
        tries = 0
        while True:
            since = time.monotonic()
            status = await component.child.wait() if component.child else None
            tries = 1 if time.monotonic() - since > CALM_SECONDS else tries + 1
            self._log.warning("process_died", name=component.name, status=status, tries=tries)
            await asyncio.sleep(max(SHORTEST_PAUSE, full_jitter(tries, base=2 * SHORTEST_PAUSE, cap=LONGEST_PAUSE)))
            await self._start_again(component)

    async def _start_again(self, component: Component) -> None:
        self.restarts[component.name] += 1
        try:
            await component.stop()
            await component.start()
            self._changed()
        except (TaskgroveError, OSError) as error:
            self._log.error("restart_failed", name=component.name, reason=str(error))
        except Exception as error:  # noqa: BLE001 (whatever it was: a watcher that ends here leaves the component dead for good)
            self._log.error("restart_failed", name=component.name, reason=f"{type(error).__name__}: {error}", exc_info=True)
