"""Ctrl-C and SIGTERM as an orderly end: what runs under `serve` is cancelled once, and the stack stops in order."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import TypeVar

from taskgrove.local.supervisor import LocalStack

Result = TypeVar("Result")


async def serve(stack: LocalStack, work: Callable[[LocalStack], Awaitable[Result]]) -> Result | None:
    """Start `stack`, do `work` with it, stop it. Returns what `work` returned, or None if a signal ended it before."""
    running = asyncio.create_task(_start_and(stack, work))
    loop = asyncio.get_running_loop()
    signalled = asyncio.Event()

    def on_signal() -> None:
        # A second Ctrl-C must not cut the orderly stop short: children that are left would lose what they hold.
        if not signalled.is_set():
            signalled.set()
            running.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    try:
        return await running
    except asyncio.CancelledError:
        if signalled.is_set():
            return None
        raise
    finally:
        await stack.stop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


async def forever(_stack: LocalStack) -> None:
    """The work of `taskgrove up`: stay until told to stop."""
    await asyncio.Event().wait()


async def _start_and(stack: LocalStack, work: Callable[[LocalStack], Awaitable[Result]]) -> Result:
    await stack.start()
    return await work(stack)
