"""Waiting for something to do, instead of looking for it again and again."""

import asyncio
from contextlib import suppress


class Bell:
    """Rung from any thread; whoever waits for it wakes in the loop where it waits, once for all that rang before."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def ring(self) -> None:
        """There is something to do."""
        if self._rung.is_set():
            return
        if self._loop in (None, asyncio._get_running_loop()):  # noqa: SLF001 (get_running_loop raises where there is none)
            self._rung.set()
        elif self._loop is not None:
            with suppress(RuntimeError):  # it is closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._rung.set)

    async def rung(self) -> None:
        """Come back when it rings, or at once if it did since the last time."""
        self._loop = asyncio.get_running_loop()
        await self._rung.wait()
        self._rung.clear()
