"""Computing that takes long is done aside, so that whoever wants little does not wait for whoever wants much."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

LARGE = 500
"""So many tasks take some ten milliseconds to be read, ordered or written down; 50 000 take seconds."""


async def aside(work: Callable[[], Result], *, size: int) -> Result:
    """What `work` gives; in a thread where there is much to do. It must touch nothing that others change meanwhile."""
    return await asyncio.to_thread(work) if size > LARGE else work()
