"""Ending tasks for sure, because one `cancel()` is not always the end.

Before Python 3.12 `asyncio.wait_for`, which the database's driver uses, can swallow a cancellation that arrives together with the result it
waited for (python/cpython#86296).
"""

import asyncio
from collections.abc import Iterable
from typing import Any

AGAIN_SECONDS = 0.2


async def end(tasks: Iterable["asyncio.Task[Any]"]) -> None:
    """Cancel these, again and again, until all are gone; what they raise is nobody's concern any more."""
    left = [task for task in tasks if not task.done()]
    while left:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=AGAIN_SECONDS)
        left = [task for task in left if not task.done()]
