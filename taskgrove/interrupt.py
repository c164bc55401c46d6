"""Ctrl-C, SIGTERM, SIGHUP taken by hand: Python ignores a Ctrl-C that was ignored at its start, and one cancellation can be swallowed."""

import asyncio
import os
import signal
import stat
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from shared.ending import end

Result = TypeVar("Result")


async def until_interrupted(work: Coroutine[Any, Any, Result]) -> Result:
    """What the work gives. Raises KeyboardInterrupt, with the work gone, on Ctrl-C, SIGTERM and SIGHUP."""
    async with interruptions() as interrupted:
        running = asyncio.create_task(work)
        await unless(interrupted, running)
    if running.cancelled():
        raise KeyboardInterrupt
    return running.result()


@asynccontextmanager
async def interruptions() -> AsyncIterator[asyncio.Event]:
    """An event that Ctrl-C, SIGTERM and SIGHUP (the terminal is gone) set, instead of what they do otherwise."""
    loop, signalled = asyncio.get_running_loop(), asyncio.Event()
    numbers = [signal.SIGINT, signal.SIGTERM]
    for number in numbers:
        loop.add_signal_handler(number, signalled.set)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # under nohup it is to go on without a terminal
        numbers.append(signal.SIGHUP)
        loop.add_signal_handler(signal.SIGHUP, _hung_up, signalled)
    try:
        yield signalled
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def _hung_up(signalled: asyncio.Event) -> None:
    """What is still said to the terminal goes nowhere, where it would end the orderly end with an error."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        with suppress(OSError):
            if stat.S_ISCHR(os.fstat(number).st_mode):
                os.dup2(nowhere, number)
    os.close(nowhere)
    signalled.set()


async def unless(interrupted: asyncio.Event, running: "asyncio.Task[Result]") -> Result | None:
    """What the task gives; None if it was interrupted, and then it is gone."""
    waiting = asyncio.create_task(interrupted.wait())
    try:
        await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        return running.result() if running.done() else None
    finally:
        await end([running, waiting])
