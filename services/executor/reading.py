"""What an attempt reads of others is waited for: a store that is away for a while must not cost the task one of its tries."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from shared.clock import Clock, full_jitter
from shared.errors import StoreUnavailable

Found = TypeVar("Found")

log = structlog.get_logger()


async def answered(look: Callable[[], Awaitable[Found]], clock: Clock) -> Found:
    """What `look` finds, asked until the store answers; an attempt whose lease is lost meanwhile is cancelled."""
    failures = 0
    while True:
        try:
            return await look()
        except StoreUnavailable as error:
            failures += 1
            log.warning("reading.waits", error=str(error), failures=failures)
            await clock.sleep(full_jitter(failures, base=0.2, cap=5.0) + 0.05)
