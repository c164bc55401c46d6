"""How every service lives: connect, hear, sweep, serve HTTP until SIGTERM; then drain and leave."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

import structlog
import uvloop
from prometheus_client import CollectorRegistry

from shared.clock import ServerClock, full_jitter
from shared.errors import Unavailable
from shared.http import App, Server, with_health
from shared.messaging.consumer import Consumer, Hears
from shared.messaging.port import Broker
from shared.messaging.publisher import Publisher, Says
from shared.messaging.quarantine import QUARANTINE, Quarantine
from shared.messaging.topology import queues
from shared.settings import CommonSettings
from shared.storage.port import Database, Schema
from shared.telemetry.logs import LOGS, LogStore, configure, keep
from shared.telemetry.metrics import ServiceMetrics

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
    publisher: Publisher
    quarantine: Quarantine


@dataclass(slots=True)
class Service:
    """A service, wired. `sweep` deals with what is overdue and says so; `background` runs until the end; `drain` hands work back."""

    name: str
    hears: Hears
    deps: Any
    schemas: Sequence[Schema]
    sweep: Callable[[Any], Awaitable[Says]]
    background: Sequence[Callable[[], Coroutine[Any, Any, None]]] = ()
    drain: Callable[[float], Awaitable[None]] | None = None
    start: Callable[[], Awaitable[None]] | None = None
    close: Callable[[], None] | None = None
    app: App | None = None


Wire = Callable[[Ground], Awaitable[Service]]


@dataclass(slots=True)
class Running:
    """One service while it lives; several may live in one process."""

    ground: Ground
    service: Service
    consumer: Consumer
    server: Server | None = None
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)

    def missing(self) -> list[str]:
        """What is not there yet for this service to work."""
        return [] if self.ground.broker.connected() else ["broker"]

    async def start(self, *, http: bool) -> None:
        """Connect, prepare the store, hear, sweep and serve; waits for broker and store as long as it takes."""
        ground, settings = self.ground, self.ground.settings
        structlog.contextvars.bind_contextvars(service=ground.name)
        if http:
            await self._serve(settings.http_host, settings.http_port)
        await asyncio.gather(self._open_store(), ground.broker.start(queues()))
        if self.service.start:
            await self.service.start()
        await self.consumer.start()
        store = LogStore(ground.database[LOGS.name], ground.metrics)
        keep(ground.name, store)
        self.tasks += [asyncio.create_task(work()) for work in (self._sweep, store.run, *self.service.background)]
        ground.metrics.connected.set_function(lambda: float(not self.missing()))
        log.info("service.ready", port=self.server.port() if self.server else None)

    async def stop(self, *, seconds: float) -> None:
        """Take nothing new, finish or hand back what runs, say what is left to say, let go."""
        log.info("service.drains")
        await self.consumer.drain(seconds)
        if self.service.drain:
            await self.service.drain(seconds)
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        if self.server:
            self.server.should_exit = True
            await asyncio.sleep(0.05)
        if self.service.close:
            self.service.close()
        log.info("service.stopped")
        keep(self.ground.name, None)
        await self.ground.broker.stop()
        await self.ground.database.close()

    async def _open_store(self) -> None:
        failures = 0
        while True:
            try:
                await self.ground.database.ready()
                await self.ground.database.ensure([*self.service.schemas, QUARANTINE, LOGS])
            except Unavailable as error:
                failures += 1
                log.warning("store.unreachable", error=str(error), failures=failures)
                await self.ground.clock.sleep(0.1 + full_jitter(failures, base=0.2, cap=5.0))
            else:
                return

    async def _serve(self, host: str, port: int) -> None:
        self.server = Server(with_health(self.service.app, ready=self.missing, registry=self.ground.metrics.registry), host=host, port=port)
        self.tasks.append(asyncio.create_task(self.server.serve()))
        while not self.server.started:
            if self.tasks[-1].done():
                self.tasks[-1].result()
                raise SystemExit(f"{self.ground.name}: cannot listen on {host}:{port}; set TASKGROVE_HTTP_PORT to a free port")
            await asyncio.sleep(0.005)

    async def _sweep(self) -> None:
        """Look for what is overdue, all replicas alike: compare-and-set makes their races harmless."""
        ground, rounds = self.ground, 0
        while True:
            await ground.clock.sleep(ground.settings.sweep_seconds * (0.8 + full_jitter(1, base=0.2, cap=0.4)))
            rounds += 1
            try:
                if rounds % 30 == 0:
                    await ground.database.ready()
                await ground.publisher.say(await self.service.sweep(self.service.deps))
            except Unavailable as error:
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
        clock=ground.clock,
    )
    return Running(ground, service, consumer)


def lay_ground(name: str, settings: CommonSettings, *, broker: Broker, database: Database, clock: ServerClock) -> Ground:
    """What a service stands on, over this broker and store."""
    metrics = ServiceMetrics(CollectorRegistry())
    publisher = Publisher(broker, service=name, metrics=metrics)
    quarantine = Quarantine(database[QUARANTINE.name], service=name, clock=clock)
    return Ground(name, settings, broker, database, clock, metrics, publisher, quarantine)


async def _live(name: str, settings: CommonSettings, wire: Wire) -> None:
    from shared.messaging.rabbit import RabbitBroker  # noqa: PLC0415 (only real processes need the real clients)
    from shared.storage.mongo import MongoDatabase  # noqa: PLC0415

    clock = ServerClock()
    ground = lay_ground(
        name,
        settings,
        broker=RabbitBroker(settings.broker_url, name=name),
        database=MongoDatabase(settings.store_url, settings.store_name, clock),
        clock=clock,
    )
    running = await assemble(ground, wire)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with AsyncExitStack() as stack:
        starting = asyncio.create_task(running.start(http=True))
        stack.callback(starting.cancel)
        stopped = asyncio.create_task(stopping.wait())
        await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            await stopped
            await running.stop(seconds=settings.drain_seconds)


def run(name: str, settings: CommonSettings, wire: Wire) -> None:
    """The whole life of a service process; returns after SIGTERM or SIGINT."""
    configure(level=settings.log_level)
    with suppress(KeyboardInterrupt):
        uvloop.run(_live(name, settings, wire))
