"""Looking again and again at whether what runs is still wanted: so often that an order to end it takes effect within a second."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from shared.clock import Clock
from shared.errors import StoreUnavailable

SHORTEST, LONGEST = 0.2, 1.0
REST = 10.0
"""After a look that took long there is a rest ten times as long: at most an eleventh of one core goes into looking."""

log = structlog.get_logger()


class Watch:
    """Looks as long as anything runs; while nothing does, it costs nothing. `look` says whether anything is left to be looked after."""

    def __init__(self, look: Callable[[], Awaitable[bool]], clock: Clock) -> None:
        self._look = look
        self._clock = clock
        self._something = asyncio.Event()

    def wake(self) -> None:
        """Something was started."""
        self._something.set()

    async def run(self) -> None:
        """Look, until cancelled."""
        pause = SHORTEST
        while True:
            await self._something.wait()
            await self._clock.sleep(pause)
            began = self._clock.monotonic()
            self._something.clear()
            try:
                if await self._look():
                    self._something.set()
            except StoreUnavailable as error:
                self._something.set()
                log.warning("watch.waits", error=str(error))
            pause = min(LONGEST, max(SHORTEST, REST * (self._clock.monotonic() - began)))
