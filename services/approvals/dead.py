"""What the broker gave up on, after too many deliveries, goes into quarantine like all other poison: where a person can see it."""

import asyncio

import structlog

from shared.clock import full_jitter
from shared.ending import end
from shared.errors import Unavailable
from shared.messaging.port import Delivery
from shared.messaging.quarantine import QUARANTINE, Quarantine
from shared.messaging.topology import DEAD_QUEUE, DELIVERY_LIMIT
from shared.service import Ground

PREFETCH = 20
QUEUE_PREFIX = "taskgrove."
DELIVERED_TOO_OFTEN = "delivery_limit"

log = structlog.get_logger()


class Dead:
    """The ear at the dead queue."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._keeping: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Hear the dead queue from now on."""
        await self._ground.broker.consume(DEAD_QUEUE, self._receive, prefetch=PREFETCH)

    async def drain(self, seconds: float) -> None:
        """Take nothing new; let what came in be kept, at most `seconds`."""
        await self._ground.broker.cancel(DEAD_QUEUE)
        if self._keeping:
            await asyncio.wait(self._keeping, timeout=seconds)
        await end(self._keeping)

    def _receive(self, delivery: Delivery) -> None:
        task = asyncio.create_task(self._keep(delivery))
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)

    async def _keep(self, delivery: Delivery) -> None:
        """Keep it, then ack it; a store that does not answer is waited for, unless the broker delivers it again."""
        service = str(delivery.headers.get("x-first-death-queue") or "broker").removeprefix(QUEUE_PREFIX)
        quarantine = Quarantine(self._ground.database[QUARANTINE.name], service=service, clock=self._ground.clock)
        failures = 0
        while not delivery.lost():
            try:
                await quarantine.put(delivery, _why(delivery, service))
            except Unavailable as error:
                failures += 1
                log.warning("dead.waits", error=str(error), failures=failures)
                await self._ground.clock.sleep(0.2 + full_jitter(failures, base=0.5, cap=15.0))
            else:
                self._ground.metrics.quarantined.inc()
                await delivery.ack()
                return


def _why(delivery: Delivery, service: str) -> str:
    reason = str(delivery.headers.get("x-first-death-reason") or DELIVERED_TOO_OFTEN)
    if reason == DELIVERED_TOO_OFTEN:
        return f"it was delivered to {service} more than {DELIVERY_LIMIT} times and never acked"
    return f"the broker gave it up before {service} had acked it: {reason}"
