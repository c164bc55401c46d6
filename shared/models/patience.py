"""How a model that is busy, away or slow is waited for: as long as it asks for, else longer each time."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from shared.clock import full_jitter
from shared.errors import ModelFailed
from shared.models.failures import MAYBE_PAID
from shared.turns import Stopwatch, timed_by

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """What is waited for, how often and how long. `base` and `cap`: seconds of full jitter, where the endpoint names no time.

    `most_billed`: so many of the waits may come after a failure that the endpoint has billed all the same.
    """

    passing: Callable[[ModelFailed], bool]
    base: float
    cap: float
    most_waits: float = math.inf
    most_billed: float = math.inf
    seconds: float = math.inf
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def get(self, ask: Callable[[], Awaitable[T]], *, waits: Callable[[ModelFailed, float], None]) -> T:
        """What `ask` gives; `waits` hears of each wait, with its seconds. Raises the ModelFailed that ended the patience."""
        watch, failures, billed = Stopwatch(), 0, 0
        while True:
            try:
                with timed_by(watch):
                    return await ask()
            except ModelFailed as error:
                failures += 1
                billed += error.code in MAYBE_PAID
                seconds = full_jitter(failures, base=self.base, cap=self.cap) if error.retry_after is None else error.retry_after
                spent = failures > self.most_waits or billed > self.most_billed or watch.passed() + seconds > self.seconds
                if spent or not self.passing(error):
                    raise
                waits(error, seconds)
                await self.sleep(seconds)
