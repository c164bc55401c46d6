"""Everything that wraps a handler, once: decode, batch what waits, log, measure, give each error its fate, publish, ack."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog

from shared.clock import Clock, full_jitter
from shared.contracts.base import PREFIX, VERSION, WHOLE, Event
from shared.ending import end
from shared.errors import Fate, TaskgroveError, Unavailable
from shared.ids import made_at
from shared.lanes import Lane
from shared.messaging.codec import Heard, Poison, decode
from shared.messaging.port import Broker, Delivery
from shared.messaging.publisher import Publisher, Says
from shared.messaging.quarantine import Quarantine
from shared.messaging.topology import queue_of
from shared.telemetry.metrics import HandlerMetrics, ServiceMetrics
from shared.telemetry.traces import Traces

Handler = Callable[[Sequence[Any], Any], Awaitable[Says]]
Hears = Mapping[type[Event], Handler]

PREFETCH = 300
PREFETCH_WHOLE = 30
"""Of whole submissions and plans fewer are held at once: the notes of one may have megabytes."""
AT_ONCE = 4
"""So many batches of one type at once, each of other runs: a plan of 50 000 tasks takes its handler seconds."""
TRIES = 3

log = structlog.get_logger()


@dataclass(slots=True)
class Held:
    """A delivery whose parts are not all dealt with; acked with the last of them."""

    delivery: Delivery
    since: float
    parts: int = 0

    async def part_done(self) -> None:
        """One part is dealt with."""
        self.parts -= 1
        if self.parts == 0:
            await self.delivery.ack()


Part = tuple[Heard, Held]


@dataclass(slots=True)
class Desk:
    """A handler and what waits for it. Desks work beside each other, so that a slow type holds up no other; and so do the few at one desk,
    each with other runs, so that a slow run holds up no other."""

    handler: Handler
    metrics: HandlerMetrics
    lane: Lane[Part] = field(default_factory=Lane)
    manned: int = 0
    busy: int = 0

    def put(self, part: Part) -> None:
        """It waits for its run's turn."""
        event = part[0].event
        self.lane.put(part, run=event.run_id, weight=event.weight)

    def take(self) -> list[Part]:
        """The next batch; empty, where all that waits is of runs that are being handled."""
        batch = self.lane.take()
        self.busy += bool(batch)
        return batch

    def done(self, batch: Sequence[Part]) -> None:
        """It is dealt with."""
        self.busy -= 1
        self.lane.done({heard.event.run_id for heard, _ in batch})

    def waits(self) -> bool:
        """Whether something waits that one more here could take."""
        return bool(self.lane) and self.busy < AT_ONCE

    def wants_one(self) -> bool:
        """The same, and nobody is about to take it."""
        return bool(self.lane) and self.manned == self.busy < AT_ONCE

    def oldest(self, clock: Clock) -> float:
        """How many seconds the first of them has waited here."""
        return max((clock.monotonic() - held.since for _, held in self.lane.firsts()), default=0.0)


def prefetch_of(hears: Iterable[type[Event]]) -> int:
    """How many messages are held here before they are dealt with."""
    return PREFETCH_WHOLE if all(kind.weighs >= WHOLE and not kind.carries for kind in hears) else PREFETCH


class Consumer:
    """One service's ear."""

    def __init__(
        self,
        hears: Hears,
        deps: Any,
        *,
        service: str,
        broker: Broker,
        publisher: Publisher,
        quarantine: Quarantine,
        metrics: ServiceMetrics,
        traces: Traces,
        clock: Clock,
    ) -> None:
        self._deps = deps
        self._queue = queue_of(service)
        self._broker = broker
        self._publisher = publisher
        self._quarantine = quarantine
        self._metrics = metrics
        self._traces = traces
        self._clock = clock
        self._desks = {kind: Desk(handler, metrics.handles(kind.name)) for kind, handler in hears.items()}
        for kind, desk in self._desks.items():
            metrics.hears(kind.name, waiting=partial(len, desk.lane), oldest=partial(desk.oldest, clock))
        self._types: dict[str, type[Event]] = {f"{PREFIX}{kind.name}{VERSION}": kind for kind in hears}
        self._tasks: set[asyncio.Task[None]] = set()
        self._poisoned: set[asyncio.Task[None]] = set()
        self._newest: Delivery | None = None
        self._pausing = 0

    async def start(self) -> None:
        """Hear the service's queue from now on."""
        await self._broker.consume(self._queue, self._receive, prefetch=prefetch_of(self._desks))

    async def drain(self, seconds: float) -> None:
        """Take nothing new; let the handlers that run end, at most `seconds`; drop the rest unacked, and what waits for broker or store."""
        await self._broker.cancel(self._queue)
        deadline = self._clock.monotonic() + seconds
        while self._is_at_work() and self._clock.monotonic() < deadline:
            await self._clock.sleep(0.02)
        await end([*self._tasks, *self._poisoned])

    def _is_at_work(self) -> bool:
        busy = len(self._poisoned) + sum(desk.busy for desk in self._desks.values())
        return busy > self._pausing or any(desk.waits() for desk in self._desks.values())

    async def _pause(self, seconds: float) -> None:
        """Wait for what is merely unavailable. A service that drains does not: others hear of it again."""
        self._pausing += 1
        try:
            await self._clock.sleep(seconds)
        finally:
            self._pausing -= 1

    def _receive(self, delivery: Delivery) -> None:
        if delivery.lost():
            return
        self._forget_lost()
        self._newest = delivery
        parts = decode(delivery.body, self._types, delivery.headers)
        held = Held(delivery, self._clock.monotonic(), len(parts))
        if said_at := made_at(delivery.message_id):
            self._metrics.hop.observe(max(0.0, time.time() - said_at))
        for part in parts:
            if isinstance(part, Poison):
                task = asyncio.create_task(self._poison(held, part))
                self._poisoned.add(task)
                task.add_done_callback(self._poisoned.discard)
            else:
                kind = type(part.event)
                self._desks[kind].put((part, held))
                self._man(kind, self._desks[kind])

    def _forget_lost(self) -> None:
        """What waits here and came over a connection that is lost is delivered again: kept, it would be here once more for each loss."""
        if self._newest and self._newest.lost():  # then so is all that came before it
            self._newest = None
            for desk in self._desks.values():
                desk.lane.clear()

    def _man(self, kind: type[Event], desk: Desk) -> None:
        """Somebody works at the desk, as long as something waits there."""
        if desk.wants_one():
            desk.manned += 1
            task = asyncio.create_task(self._work(kind, desk))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work(self, kind: type[Event], desk: Desk) -> None:
        structlog.contextvars.bind_contextvars(event_type=kind.name)
        await asyncio.sleep(0)  # what came in the same packet goes with it
        try:
            while batch := self._next(desk):
                self._man(kind, desk)  # for what is left
                with desk.metrics.handling.time():
                    await self._handle(desk, batch)
                desk.done(batch)
        finally:
            desk.manned -= 1

    def _next(self, desk: Desk) -> list[Part]:
        self._forget_lost()
        return desk.take()

    async def _handle(self, desk: Desk, batch: Sequence[Part]) -> None:
        """The whole batch; if it fails, event by event, so that a bad one harms no neighbour."""
        desk.metrics.batch.observe(len(batch))
        error = await self._try(desk, batch, tries=1 if len(batch) > 1 else TRIES)
        if error and len(batch) == 1:
            await self._give_up(batch[0], error)
        elif error:
            for one in batch:
                if alone := await self._try(desk, [one], tries=TRIES):
                    await self._give_up(one, alone)
        desk.metrics.heard.inc(len(batch))

    async def _try(self, desk: Desk, batch: Sequence[Part], *, tries: int) -> Exception | None:
        """Handle, say and ack the batch, or return its last error. What is merely unavailable is waited for, however long it takes."""
        failures = tried = 0
        while True:
            try:
                with self._traces.handling(batch[0][0].event.name, [(heard.event.run_id, heard.traceparent) for heard, _ in batch]):
                    says = await desk.handler([heard.event for heard, _ in batch], self._deps)
                    await self._publisher.say(says)
            except Unavailable as error:
                failures += 1
                log.warning("handler.waits", error=str(error), failures=failures)
                await self._pause(full_jitter(failures, base=0.2, cap=15.0) + 0.05)
            except Exception as error:
                tried += 1
                fate = error.fate if isinstance(error, TaskgroveError) else None
                log.exception("handler.failed", tried=tried, events=len(batch), run_id=batch[0][0].event.run_id)
                desk.metrics.failed.inc()
                if tried >= tries or fate is Fate.QUARANTINE:
                    return error
                await self._clock.sleep(0.2 * tried)
            else:
                await asyncio.gather(*(held.part_done() for _, held in batch))
                return None

    async def _give_up(self, one: Part, error: Exception) -> None:
        heard, held = one
        await self._quarantined(held, f"its handler failed: {type(error).__name__}: {error}", heard.raw)

    async def _poison(self, held: Held, poison: Poison) -> None:
        await self._quarantined(held, poison.reason, poison.raw)

    async def _quarantined(self, held: Held, reason: str, raw: Any) -> None:
        failures = 0
        while not held.delivery.lost():
            try:
                await self._quarantine.put(held.delivery, reason, raw)
            except Exception as error:  # noqa: BLE001 (see the next line)
                # Whatever it is: an unwritten quarantine must not end the lane, and its message must not be acked.
                failures += 1
                log.warning("quarantine.waits", error=f"{type(error).__name__}: {error}", failures=failures)
                await self._pause(full_jitter(failures, base=0.5, cap=15.0) + 0.05)
            else:
                self._metrics.quarantined.inc()
                await held.part_done()
                return
