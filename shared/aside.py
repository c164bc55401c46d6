"""Computing that takes long is done aside, so that whoever wants little does not wait for whoever wants much."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TypeVar

Result = TypeVar("Result")
Item = TypeVar("Item")

LARGE = 500
"""So many tasks take some ten milliseconds to be read, ordered or written down; 50 000 take seconds."""
STEP = 50


async def aside(work: Callable[[], Result], *, size: int) -> Result:
    """What `work` gives; in a thread where there is much to do. It must touch nothing that others change meanwhile."""
    return await asyncio.to_thread(work) if size > LARGE else work()


async def in_steps(items: Iterable[Item]) -> AsyncIterator[Item]:
    """These items; after some of them others have their turn, who would wait for all of them otherwise."""
    for number, item in enumerate(items, 1):
        yield item
        if number % STEP == 0:
            await asyncio.sleep(0)
