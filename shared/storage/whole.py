"""Calls of the database's driver run to their own end, whoever gives them up.

A pymongo call that is cancelled while it waits for a server, and cancelled again before it has let go, leaves the lock of the client's
topology taken for ever (its Condition under `asyncio.wait_for`, Python 3.11): every later call of the process hangs, beyond cancelling.
"""

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

Given = ParamSpec("Given")
Result = TypeVar("Result")

_under_way: set["asyncio.Task[Any]"] = set()


def never_cancelled(call: Callable[Given, Coroutine[Any, Any, Result]]) -> Callable[Given, Coroutine[Any, Any, Result]]:
    """The same call; its caller may be cancelled at once, and what was asked for may still be done. Its time-outs bound it."""

    @wraps(call)
    async def whole(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        task = asyncio.create_task(call(*args, **kwargs))
        _under_way.add(task)
        task.add_done_callback(_under_way.discard)
        return await asyncio.shield(task)

    return whole
