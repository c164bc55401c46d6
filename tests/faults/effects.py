"""What the tasks of the fault runs call: an effect on the ledger, and then some time in which the executor can be killed."""

import asyncio

from services.executor.agents import Work, callable_
from tests.faults.ledger import note


@callable_()
async def effect(work: Work, path: str, seconds: float = 0.0) -> dict[str, str]:
    """Have the effect, then take this long."""
    note(path, work.attempt_id)
    await asyncio.sleep(seconds)
    return {"attempt": work.attempt_id}
