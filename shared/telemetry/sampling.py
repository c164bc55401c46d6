"""What is found out by looking now and then: how late the event loop is, and gauges whose figures stand in the store."""

from collections.abc import Awaitable, Callable

import structlog

from shared.clock import Clock
from shared.errors import StoreUnavailable
from shared.telemetry.metrics import ServiceMetrics

LAG_SECONDS = 1.0
SAMPLE_SECONDS = 5.0
SHARE = 0.01

log = structlog.get_logger()


async def watch_loop(metrics: ServiceMetrics, clock: Clock) -> None:
    """Once a second, note how much later than asked the loop came back; until cancelled."""
    while True:
        asked = clock.monotonic() + LAG_SECONDS
        await clock.sleep(LAG_SECONDS)
        metrics.loop_lag.observe(max(0.0, clock.monotonic() - asked))


async def sample_forever(look: Callable[[], Awaitable[None]], clock: Clock) -> None:
    """Look every few seconds, and more rarely the longer a look takes: it may cost one hundredth of the time, no more."""
    while True:
        began = clock.monotonic()
        try:
            await look()
        except StoreUnavailable as error:
            log.warning("sample.waits", error=str(error))
        await clock.sleep(max(SAMPLE_SECONDS, (clock.monotonic() - began) / SHARE))
