"""The services without what their sweeps say again, so that a hint which the fast path loses is seen to be lost.

What has to be done at a time stays: retries, leases that run out, plans that others abandoned.
"""

from dataclasses import replace
from typing import Any

from services.sequencer.domain.task import Task
from services.sequencer.retell import DISPATCHED
from services.sequencer.store import TaskStore
from shared.contracts.phases import Phase
from shared.messaging.publisher import NOTHING, Says
from shared.service import Service


class OnlyRetries(TaskStore):
    """Nothing is overdue but tries that had to wait, and what a sweep that died may have begun without saying so."""

    @classmethod
    def over(cls, store: TaskStore) -> "OnlyRetries":
        """The same slice, seen so."""
        calm = cls.__new__(cls)
        vars(calm).update(vars(store))
        return calm

    async def due(self) -> list[Task]:
        return [task for task in await super().due() if task.phase is Phase.RETRYING or (task.phase in DISPATCHED and task.attempts > 1)]


async def _take_over(deps: Any) -> Says:
    await deps.workers.take_over()
    return NOTHING


async def _nothing(_deps: Any) -> Says:
    return NOTHING


def without_resending(service: Service) -> None:
    """Leave out of this service's sweep what says hints again."""
    match service.name:
        case "sequencer":
            sweep, calm = service.sweep, replace(service.deps, tasks=OnlyRetries.over(service.deps.tasks))
            service.sweep = lambda _: sweep(calm)
        case "planner":
            service.sweep = _take_over
        case "approvals":
            service.sweep = _nothing
