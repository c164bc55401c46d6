"""How every service lives: connect, hear, sweep, serve HTTP until SIGTERM; then drain and leave."""

import asyncio
import gc
import os
import signal
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import structlog
import uvloop
from prometheus_client import CollectorRegistry

from shared.clock import ServerClock, full_jitter
from shared.ending import end
from shared.errors import StoreUnavailable, TaskgroveError, Unavailable
from shared.http import App, Server, with_health
from shared.messaging.consumer import Consumer, Hears
from shared.messaging.port import Broker
from shared.messaging.publisher import Publisher, Says
from shared.messaging.quarantine import QUARANTINE, Quarantine
from shared.messaging.topology import events, queues
from shared.secrets import close_to_others
from shared.settings import CommonSettings, read
from shared.storage.measured import MeasuredDatabase
from shared.storage.port import Database, Schema
from shared.telemetry.logs import LOGS, LogStore, configure, keep
from shared.telemetry.metrics import ServiceMetrics
from shared.telemetry.sampling import watch_loop
from shared.telemetry.traces import Traces, open_traces

SERVER_SECONDS = 5.0
LAST_SECONDS = 2.0
HANGS_SECONDS = 0.5
NEW_OBJECTS = 10_000
HELP = "start MongoDB as a replica set, or set TASKGROVE_STORE_URL; it is tried again"

log = structlog.get_logger()


@dataclass(slots=True)
class Ground:
    """What a service stands on; wiring gets it, real or in memory."""

    name: str
    settings: CommonSettings
    broker: Broker
    database: Database
    clock: ServerClock
    metrics: ServiceMetrics
    traces: Traces
    publisher: Publisher
    quarantine: Quarantine


@dataclass(slots=True)
class Service:
    """A service, wired. `sweep` deals with what is overdue and says so; `background` runs until the end.

    At the end `stop_claiming` comes first: nothing new is begun; `drain` then waits for what runs and hands the rest back.
    """

    name: str
    hears: Hears
    deps: Any
    schemas: Sequence[Schema]
    sweep: Callable[[Any], Awaitable[Says]]
    background: Sequence[Callable[[], Coroutine[Any, Any, None]]] = ()
    stop_claiming: Callable[[], None] | None = None
    drain: Callable[[float], Awaitable[None]] | None = None
    start: Callable[[], Awaitable[None]] | None = None
    close: Callable[[], None] | None = None
    make_app: Callable[[], App] | None = None


Wire = Callable[[Ground], Awaitable[Service]]
Connect = Callable[[str, CommonSettings, ServerClock], tuple[Broker, Database]]


@dataclass(slots=True)
class Running:
    """One service while it lives. Several may live in one process, each started by a task of its own: its log lines bear its name."""

    ground: Ground
    service: Service
    consumer: Consumer
    logs: LogStore
    server: Server | None = None
    serving: asyncio.Task[None] | None = None
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    held_up_by: str = "starting"
    sweeping: asyncio.Lock = field(default_factory=asyncio.Lock)
    store_answers: bool = False

    def missing(self) -> list[str]:
        """What is not there for this service to work: its own start or end, the broker, the store."""
        parts = {self.held_up_by: not self.held_up_by, "broker": self.ground.broker.connected(), "store": self.store_answers}
        return [name for name, there in parts.items() if not there]

    async def start(self, *, http: bool) -> None:
        """Connect, prepare the store, hear, sweep and serve; waits for broker and store as long as it takes."""
        ground, settings = self.ground, self.ground.settings
        structlog.contextvars.bind_contextvars(service=ground.name)
        self._measure()
        if http:
            own = self.service.make_app() if self.service.make_app else None
            app = with_health(own, ready=self.missing, registry=ground.metrics.registry)
            self.server = Server(app, host=settings.http_host, port=settings.http_port)
            self.serving = asyncio.create_task(self.server.listen())
        await asyncio.gather(self._open_store(), ground.broker.start(queues()))
        keep(ground.name, self.logs)
        if self.service.start:
            await self.service.start()
        await self.consumer.start()
        self.tasks += [asyncio.create_task(self._keep_at(work)) for work in (self._sweep, self.logs.run, *self.service.background)]
        self.held_up_by = ""
        log.info("service.ready", port=self.server.port() if self.server else None)

    async def stop(self, *, seconds: float) -> None:
        """Take nothing new, finish or hand back what runs in `seconds` altogether, say what is left to say, let go."""
        structlog.contextvars.bind_contextvars(service=self.ground.name)
        self.held_up_by = "draining"
        log.info("service.drains")
        deadline = self.ground.clock.monotonic() + seconds
        if self.service.stop_claiming:
            self.service.stop_claiming()
        await asyncio.gather(self._let_sweep_end(seconds), self.consumer.drain(seconds))
        if self.service.drain:
            await self.service.drain(max(0.0, deadline - self.ground.clock.monotonic()))
        await end(self.tasks)
        await self._stop_serving(max(SERVER_SECONDS, deadline - self.ground.clock.monotonic()))
        if self.service.close:
            self.service.close()
        log.info("service.stopped")
        keep(self.ground.name, None)
        flushing = asyncio.create_task(self.logs.flush()), asyncio.create_task(asyncio.to_thread(self.ground.traces.close))
        await asyncio.wait(flushing, timeout=LAST_SECONDS)
        await self.ground.broker.stop()
        await self.ground.database.close()

    def _measure(self) -> None:
        metrics = self.ground.metrics
        metrics.ready.set_function(lambda: float(not self.missing()))
        metrics.connected.labels("broker").set_function(lambda: float(self.ground.broker.connected()))
        metrics.connected.labels("store").set_function(lambda: float(self.store_answers))
        self.tasks.append(asyncio.create_task(watch_loop(metrics, self.ground.clock)))

    async def _let_sweep_end(self, seconds: float) -> None:
        """A sweep under way may say what it found; none begins any more."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.sweeping.acquire()

    async def _stop_serving(self, seconds: float) -> None:
        if self.server and self.serving:
            self.server.leave(seconds)
            await asyncio.wait({self.serving}, timeout=seconds + 1.0)
            await end([self.serving])

    async def _open_store(self) -> None:
        failures = 0
        while not self.store_answers:
            try:
                await self.ground.database.ready()
                await self.ground.database.ensure(self.service.schemas)
                self.store_answers = True
            except Unavailable as error:
                failures += 1
                log.warning("store.unreachable", error=str(error), failures=failures, help=HELP)
                await self.ground.clock.sleep(0.1 + full_jitter(failures, base=0.2, cap=5.0))

    async def _keep_at(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Work that ends by a mistake would be missed only much later: say so, and begin it again."""
        while True:
            try:
                await work()
            except Exception:
                log.exception("background.failed", work=getattr(work, "__qualname__", repr(work)))
                await self.ground.clock.sleep(1.0)
            else:
                return

    async def _sweep(self) -> None:
        """Look for what is overdue, all replicas alike: compare-and-set makes their races harmless."""
        ground, rounds = self.ground, 0
        while True:
            await ground.clock.sleep(ground.settings.sweep_seconds * (0.8 + full_jitter(1, base=0.2, cap=0.4)))
            rounds += 1
            async with self.sweeping:
                await self._sweep_once(look=rounds % 30 == 0)

    async def _sweep_once(self, *, look: bool) -> None:
        try:
            if look or not self.store_answers:
                await self.ground.database.ready()
                self.store_answers = True
            with self.ground.metrics.swept.time():
                await self.ground.publisher.say(await self.service.sweep(self.service.deps))
        except Unavailable as error:
            self.store_answers = self.store_answers and not isinstance(error, StoreUnavailable)
            log.warning("sweep.waits", error=str(error))
        except Exception:
            log.exception("sweep.failed")


async def assemble(ground: Ground, wire: Wire) -> Running:
    """A service on its ground, not started yet."""
    service = await wire(ground)
    consumer = Consumer(
        service.hears,
        service.deps,
        service=ground.name,
        broker=ground.broker,
        publisher=ground.publisher,
        quarantine=ground.quarantine,
        metrics=ground.metrics,
        traces=ground.traces,
        clock=ground.clock,
    )
    return Running(ground, service, consumer, LogStore(ground.database[LOGS.name], ground.metrics))


def lay_ground(name: str, settings: CommonSettings, *, broker: Broker, database: Database, clock: ServerClock) -> Ground:
    """What a service stands on, over this broker and store."""
    metrics = ServiceMetrics(CollectorRegistry())
    metrics.says(event.name for event in events() if event.said_by == name)
    database = MeasuredDatabase(database, metrics)
    publisher = Publisher(broker, service=name, metrics=metrics)
    quarantine = Quarantine(database[QUARANTINE.name], service=name, clock=clock)
    return Ground(name, settings, broker, database, clock, metrics, open_traces(name, settings), publisher, quarantine)


def connect(name: str, settings: CommonSettings, clock: ServerClock) -> tuple[Broker, Database]:
    """The real broker and store."""
    from shared.messaging.rabbit import RabbitBroker  # noqa: PLC0415 (only real processes need the real clients)
    from shared.storage.mongo import MongoDatabase  # noqa: PLC0415

    return RabbitBroker(settings.broker_url, name=name), MongoDatabase(settings.store_url, settings.store_name, clock)


async def _live(name: str, settings: CommonSettings, wire: Wire, *, connect: Connect) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    clock = ServerClock()
    broker, database = connect(name, settings, clock)
    ground = lay_ground(name, settings, broker=broker, database=database, clock=clock)
    running = await assemble(ground, wire)
    # What was imported and built stays for good. Looking through it again and again took a quarter of the time in a storm of tasks.
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS)
    starting = asyncio.create_task(running.start(http=True))
    stopped = asyncio.create_task(stopping.wait())
    await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
    if starting.done():
        starting.result()
        await stopped
        await running.stop(seconds=settings.drain_seconds)
    else:
        await end([starting])
        await ground.broker.stop()
    _leave_for_sure()


def _leave_for_sure() -> None:
    """All is said and written. A function of a task that hangs in a thread must not hold up the end."""
    last = threading.Timer(HANGS_SECONDS, os._exit, args=(0,))
    last.daemon = True
    last.start()


def run(name: str, kind: type[CommonSettings], wire: Wire, *, connect: Connect = connect) -> None:
    """The whole life of a service process; returns after SIGTERM or SIGINT. `connect` opens its broker and store."""
    try:
        close_to_others()
        settings = read(kind)
        configure(level=settings.log_level)
        with suppress(KeyboardInterrupt):
            uvloop.run(_live(name, settings, wire, connect=connect))
    except TaskgroveError as error:
        raise SystemExit(f"{name}: {error}") from error
