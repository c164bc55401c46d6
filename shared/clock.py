"""Time, as everything else is given it: by hand, so that a simulation can own it."""

import asyncio
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Clock(Protocol):
    """What the house knows of time."""

    def now(self) -> datetime:
        """The store's time, UTC. Never the wall clock of this machine once the store has been asked."""

    def monotonic(self) -> float:
        """Seconds that never run backwards."""

    async def sleep(self, seconds: float) -> None:
        """Come back after `seconds`."""


def since_boot() -> float:
    """Seconds that never run backwards and do not stand still while the machine sleeps, as those of `time.monotonic` do on Linux."""
    return time.clock_gettime(CLOCK)


class ServerClock:
    """The store's clock, carried forward by one of this machine that nobody sets: a wrong or jumping wall clock here changes nothing.

    What was carried forward by a clock that stood still would lie in the store's past when a machine wakes up: leases would end at once.
    """

    def __init__(
        self,
        *,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        carried: Callable[[], float] | None = None,
    ) -> None:
        self._monotonic = monotonic
        self._carried = carried or (since_boot if monotonic is time.monotonic else monotonic)
        self._offset = wall() - self._carried()

    def set(self, server_now: datetime, *, took: float = 0.0) -> None:
        """Take over what the store just said; called on each connection and by the sweep.

        It read its clock at some moment of the `took` seconds that it took to answer. Where ours may be right, it stays: a slow answer
        must not set it back by as long as the answer took.
        """
        latest = server_now.replace(tzinfo=server_now.tzinfo or UTC).timestamp() - self._carried()
        self._offset = min(max(self._offset, latest), latest + took)

    def now(self) -> datetime:
        return datetime.fromtimestamp(self._offset + self._carried(), UTC)

    def monotonic(self) -> float:
        return self._monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def after(clock: Clock, seconds: float) -> datetime:
    """`seconds` from now."""
    return clock.now() + timedelta(seconds=seconds)


def full_jitter(attempt: int, *, base: float, cap: float) -> float:
    """Seconds to wait before try `attempt` (from 1): uniform between 0 and the exponential bound (Brooker 2015, "full jitter")."""
    return random.uniform(0, min(cap, base * 2 ** min(attempt - 1, 30)))  # noqa: S311 (no secret depends on it)
