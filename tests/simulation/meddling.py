"""The workload with people who let no run alone, and hints that nobody should have said: for mistakes that it takes much to bring out."""

import asyncio
from collections.abc import Callable
from typing import Any

from shared.contracts.base import Event
from shared.contracts.checker import TaskVerified
from shared.contracts.executor import TaskExecuted
from shared.contracts.phases import Action
from shared.contracts.sequencer import TaskReady
from shared.ids import attempt_id
from shared.messaging.codec import encode
from tests.simulation import workload
from tests.simulation.people import People
from tests.simulation.records import Run
from tests.simulation.world import World

ORDERS = {Action.CANCEL: 2, Action.PAUSE: 6, Action.RESUME: 6, Action.RETRY: 8, Action.RERUN: 8, Action.COMPLETE: 2}
HINTS: tuple[Callable[[str, str], Event], ...] = (
    lambda run, attempt: TaskReady(run_id=run, attempts=(attempt,)),
    lambda run, attempt: TaskExecuted(run_id=run, attempts=(attempt,)),
    lambda run, attempt: TaskVerified(run_id=run, verdicts=(attempt,)),
)
MOST_HINTS = 20


class Meddlers(People):
    """They change their minds all the time."""

    meddling = (8, 12, 16)
    orders = ORDERS

    async def _meddle(self, run: Run) -> None:
        await asyncio.gather(super()._meddle(run), self._mislead(run))

    async def _mislead(self, run: Run) -> None:
        """Say what is not true yet, or not any more: state is the truth, and no hint may change that."""
        for _ in range(MOST_HINTS):
            await asyncio.sleep(self._draw.uniform(0.05, 1.0))
            if tasks := [task for task in self._watch.tasks.values() if task["run_id"] == run.run_id]:
                task = self._draw.choice(tasks)
                attempt = attempt_id(task["_id"], self._draw.randint(1, task["epoch"] + 1))
                hint = self._draw.choice(HINTS)(run.run_id, attempt)
                self._world.exchange.route(encode([hint], service="nobody"))


def live(world: World) -> Any:
    """As `workload.live`."""
    return workload.live(world, Meddlers)
