"""Ctrl-C and SIGTERM, taken by hand: Python ignores a Ctrl-C that was ignored at its start, and one cancellation can be swallowed."""

import asyncio
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from shared.ending import end

Result = TypeVar("Result")


async def until_interrupted(work: Coroutine[Any, Any, Result]) -> Result:
    """What the work gives. Raises KeyboardInterrupt, with the work gone, on Ctrl-C and SIGTERM."""
    async with interruptions() as interrupted:
        running = asyncio.create_task(work)
        await unless(interrupted, running)
    if running.cancelled():
        raise KeyboardInterrupt
    return running.result()


@asynccontextmanager
async def interruptions() -> AsyncIterator[asyncio.Event]:
    """An event that Ctrl-C and SIGTERM set, instead of what they do otherwise."""
    loop, signalled = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, signalled.set)
    try:
        yield signalled
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def unless(interrupted: asyncio.Event, running: "asyncio.Task[Result]") -> Result | None:
    """What the task gives; None if it was interrupted, and then it is gone."""
    waiting = asyncio.create_task(interrupted.wait())
    try:
        await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        return running.result() if running.done() else None
    finally:
        await end([running, waiting])
