"""A store that is away for a while is waited for, where giving up would cost more: a try of a task, or an answer that was paid for."""

from collections.abc import Awaitable, Callable
from math import inf
from typing import TypeVar

import structlog

from shared.clock import Clock, full_jitter
from shared.errors import StoreUnavailable

Found = TypeVar("Found")

log = structlog.get_logger()


async def answered(ask: Callable[[], Awaitable[Found]], clock: Clock, *, seconds: float = inf) -> Found:
    """What `ask` gives, asked until the store answers; whoever holds a lease is cancelled when it is lost meanwhile.

    Raises StoreUnavailable when it does not answer for so many `seconds`.
    """
    failures, until = 0, clock.monotonic() + seconds
    while True:
        try:
            return await ask()
        except StoreUnavailable as error:
            if clock.monotonic() >= until:
                raise
            failures += 1
            log.warning("store.waited_for", error=str(error), failures=failures)
            await clock.sleep(full_jitter(failures, base=0.2, cap=5.0) + 0.05)
