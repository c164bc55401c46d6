"""Waiting for something to do, instead of looking for it again and again."""

import asyncio
import threading


class Bell:
    """Rung from any thread; whoever waits for it wakes in the loop where it waits, once for all that rang before."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked = False
        self._lock = threading.Lock()

    def ring(self) -> None:
        """There is something to do. What there is to do is there before."""
        with self._lock:
            if self._asked:
                return
            self._asked = True
            if self._loop is None or self._loop is asyncio._get_running_loop():  # noqa: SLF001 (get_running_loop raises where there is none)
                self._rung.set()
            else:
                try:
                    self._loop.call_soon_threadsafe(self._rung.set)
                except RuntimeError:  # it is closed: nobody waits, and whoever comes next need not
                    self._rung.set()

    async def rung(self) -> None:
        """Come back when it rings, or at once if it did since the last time."""
        with self._lock:
            self._loop = asyncio.get_running_loop()
        await self._rung.wait()
        with self._lock:
            self._rung.clear()
            self._asked = False
