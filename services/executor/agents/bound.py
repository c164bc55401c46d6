"""A bound for all of an attempt, also for what lies around its work: a disk that hangs must not hold it under its lease for ever."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.executor.agents.base import Work
from services.executor.agents.model.pausing import Pausing
from shared.errors import AgentFailed


@asynccontextmanager
async def bounded(work: Work, *, spare: float) -> AsyncIterator[None]:
    """The time that the task may take, and as much again but at least `spare` seconds; time that it is paused is not counted.

    Raises AgentFailed after that.
    """
    seconds = work.timeout + max(work.timeout, spare)
    clock = asyncio.timeout(seconds)
    try:
        async with clock:
            with work.control.over(Pausing(), clock):
                yield
    except TimeoutError as error:
        if not clock.expired():
            raise
        message = (
            f"not over after {seconds:g} s, with laying out its inputs and keeping its files; see whether disk and artifact store "
            "answer, or give the task more time with `timeout:`"
        )
        raise AgentFailed(message, code="timed_out") from error
