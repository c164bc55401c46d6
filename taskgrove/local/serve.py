"""Ctrl-C, SIGTERM and a closed terminal as an orderly end: what runs under `serve` is cancelled, and the stack stops in order."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from taskgrove.interrupt import interruptions, unless


class Stack(Protocol):
    """All of Taskgrove, as processes or in this one."""

    async def start(self) -> None:
        """Come back when all five services are ready."""

    async def stop(self) -> None:
        """End what was started, also if that was only a part, and throw away what is not to be kept."""


Result = TypeVar("Result")
Kind = TypeVar("Kind", bound=Stack)


async def serve(stack: Kind, work: Callable[[Kind], Awaitable[Result]]) -> Result | None:
    """Start `stack`, do `work` with it, stop it. Returns what `work` returned, or None if a signal ended it before."""
    running = asyncio.create_task(_start_and(stack, work))
    # A second Ctrl-C must not cut the orderly stop short: children that are left would lose what they hold.
    async with interruptions() as interrupted:
        try:
            return await unless(interrupted, running)
        finally:
            await stack.stop()


async def forever(_stack: Stack) -> None:
    """The work of `taskgrove up`: stay until told to stop."""
    await asyncio.Event().wait()


async def _start_and(stack: Kind, work: Callable[[Kind], Awaitable[Result]]) -> Result:
    await stack.start()
    return await work(stack)
