"""Calling a function that we did not write: what would end the event loop, or never reach whoever waits, becomes an ordinary failure."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent import futures
from typing import Any

from shared.errors import AgentFailed

NOT_CARRIED = (StopIteration, futures.CancelledError)
"""A future refuses the one, so that its waiter waits for ever, and takes the other for a cancellation of who waits."""


def called(function: Callable[[], Any]) -> Any:
    """What the function gives back, in whatever thread or process. What it raises is an Exception: AgentFailed for what is not."""
    try:
        return function()
    except BaseException as error:
        if isinstance(error, Exception) and not isinstance(error, NOT_CARRIED):
            raise
        raise _failure(error) from error


async def awaited(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What the coroutine gives back. Cancelling the task that awaits it stays that; the coroutine's own CancelledError is AgentFailed."""
    try:
        return await coroutine
    except (SystemExit, KeyboardInterrupt) as error:
        raise _failure(error) from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task and task.cancelling():
            raise
        raise _failure(error) from error


def _failure(error: BaseException) -> AgentFailed:
    if isinstance(error, SystemExit):
        what = f"it called sys.exit({'' if error.code is None else repr(error.code)}); let it return, or raise what went wrong"
    else:
        said = f": {error}" if str(error) else ""
        what = f"it let {type(error).__name__} out{said}; let it catch this, and return or raise what went wrong"
    return AgentFailed(what, code="exception")
