"""The smallest service there is, for the test that starts and ends it as a process: it says back what it hears, and takes its time."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

from shared.contracts.checker import TaskVerified
from shared.contracts.sequencer import TaskReady
from shared.messaging.publisher import NOTHING, Says
from shared.service import Ground, Service, run
from shared.settings import CommonSettings


async def on_tasks_verified(events: Sequence[TaskVerified], _deps: Any) -> Says:
    """When a verdict is in, take a while and answer."""
    await asyncio.sleep(1.0)
    return [TaskReady(run_id=event.run_id, attempts=event.verdicts) for event in events]


async def sweep(_deps: Any) -> Says:
    """Nothing is ever overdue here."""
    return NOTHING


async def wire(ground: Ground) -> Service:
    """The service, wired."""
    return Service(ground.name, {TaskVerified: on_tasks_verified}, None, (), sweep)


if __name__ == "__main__":
    run(sys.argv[1], CommonSettings, wire)
