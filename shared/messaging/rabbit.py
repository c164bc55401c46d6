"""The port on a real RabbitMQ. One supervisor loop owns both connections: whatever breaks, everything is torn down and built again."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange, AbstractIncomingMessage, AbstractQueue
from aio_pika.exceptions import AMQPError
from aiormq.abc import FieldTable

from shared.clock import full_jitter
from shared.errors import BrokerUnavailable
from shared.messaging.port import Delivery, Message, Queue
from shared.messaging.topology import DEAD_EXCHANGE, DELIVERY_LIMIT, EXCHANGE, MOST_MESSAGES

PUBLISH_TIMEOUT = 5.0
CONNECT_TIMEOUT = 10.0
WATCH_SECONDS = 10.0
IN_FLIGHT = 200
LOST = (AMQPError, ConnectionError, TimeoutError, OSError, RuntimeError)

log = structlog.get_logger()


class RabbitDelivery:
    """A message from RabbitMQ, until acked."""

    def __init__(self, message: AbstractIncomingMessage) -> None:
        self._message = message
        self.body = message.body
        self.routing_key = message.routing_key or ""
        self.message_id = message.message_id or ""
        self.headers: Mapping[str, object] = message.headers

    async def ack(self) -> None:
        try:
            await self._message.ack()
        except LOST:
            log.debug("ack.too_late", message_id=self.message_id)


@dataclass(slots=True)
class Subscription:
    """What a service hears, remembered over reconnects."""

    receive: Callable[[Delivery], None]
    prefetch: int
    queue: AbstractQueue | None = None
    tag: str | None = None
    channel: AbstractChannel | None = None
    last: float = 0.0


class RabbitBroker:
    """Separate connections for hearing and saying, so that a blocked publisher cannot hold up acks."""

    def __init__(self, url: str, *, name: str) -> None:
        self._url = url
        self._name = name
        self._queues: Sequence[Queue] = ()
        self._subscriptions: dict[str, Subscription] = {}
        self._exchange: AbstractExchange | None = None
        self._hearing: AbstractConnection | None = None
        self._broken = asyncio.Event()
        self._up = asyncio.Event()
        self._slots = asyncio.Semaphore(IN_FLIGHT)
        self._supervisor: asyncio.Task[None] | None = None
        self._failures = 0
        self.last_error = ""

    async def start(self, queues: Sequence[Queue]) -> None:
        self._queues = queues
        self._supervisor = asyncio.create_task(self._supervise())
        await self._up.wait()

    async def stop(self) -> None:
        if self._supervisor:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)

    def connected(self) -> bool:
        return self._up.is_set()

    async def publish(self, messages: Sequence[Message]) -> None:
        if not self._up.is_set() or self._exchange is None:
            raise BrokerUnavailable(f"no connection to RabbitMQ ({self.last_error or 'connecting'}); it will be tried again")
        outcomes = await asyncio.gather(*(self._publish(self._exchange, message) for message in messages), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise BrokerUnavailable(f"RabbitMQ did not take a message: {type(outcome).__name__}: {outcome}") from outcome

    async def consume(self, queue: str, receive: Callable[[Delivery], None], *, prefetch: int) -> None:
        subscription = self._subscriptions[queue] = Subscription(receive, prefetch)
        if self._hearing is not None and self._up.is_set():
            await self._subscribe(queue, subscription, self._hearing)

    async def cancel(self, queue: str) -> None:
        subscription = self._subscriptions.pop(queue, None)
        if subscription and subscription.queue and subscription.tag:
            try:
                await subscription.queue.cancel(subscription.tag)
            except LOST:
                log.debug("cancel.too_late", queue=queue)

    async def _publish(self, exchange: AbstractExchange, message: Message) -> None:
        outgoing = aio_pika.Message(
            message.body,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT if message.durable else aio_pika.DeliveryMode.NOT_PERSISTENT,
            content_type=message.content_type,
            message_id=message.message_id,
            correlation_id=message.correlation_id,
            headers=dict(message.headers),
        )
        async with self._slots:
            try:
                await exchange.publish(outgoing, message.routing_key, timeout=PUBLISH_TIMEOUT)
            except asyncio.CancelledError as error:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise
                raise BrokerUnavailable("the connection to RabbitMQ broke during a publish; its result is not known") from error

    async def _supervise(self) -> None:
        while True:
            connections: list[AbstractConnection] = []
            try:
                await asyncio.wait_for(self._connect(connections), CONNECT_TIMEOUT)
                self._failures = 0
                log.info("broker.connected")
                await self._watch()
                log.warning("broker.lost", error=self.last_error)
            except LOST as error:
                self.last_error = f"{type(error).__name__}: {error}"
                log.warning("broker.unreachable", error=self.last_error)
            finally:
                self._up.clear()
                self._exchange = None
                await asyncio.gather(*(connection.close() for connection in connections), return_exceptions=True)
            self._failures += 1
            await asyncio.sleep(0.2 + full_jitter(self._failures, base=0.2, cap=15.0))

    async def _connect(self, connections: list[AbstractConnection]) -> None:
        self._broken.clear()
        for purpose in ("hears", "says"):
            properties: FieldTable = {"connection_name": f"{self._name} {purpose}"}
            connection = await aio_pika.connect(self._url, client_properties=properties, heartbeat=10)
            connection.close_callbacks.add(self._on_close)
            connections.append(connection)
        hearing, saying = connections
        await self._declare(hearing)
        channel = await saying.channel(publisher_confirms=True, on_return_raises=True)
        channel.close_callbacks.add(self._on_close)
        self._exchange = await channel.get_exchange(EXCHANGE, ensure=False)
        self._hearing = hearing
        for name, subscription in self._subscriptions.items():
            await self._subscribe(name, subscription, hearing)
        self._up.set()

    async def _declare(self, connection: AbstractConnection) -> None:
        async with connection.channel() as channel:
            exchange = await channel.declare_exchange(EXCHANGE, aio_pika.ExchangeType.TOPIC, durable=True)
            dead = await channel.declare_exchange(DEAD_EXCHANGE, aio_pika.ExchangeType.TOPIC, durable=True)
            for queue in self._queues:
                declared = await channel.declare_queue(queue.name, durable=True, arguments=_arguments(queue))
                for key in queue.keys:
                    await declared.bind(dead if queue.dead else exchange, key)

    async def _subscribe(self, name: str, subscription: Subscription, connection: AbstractConnection) -> None:
        channel = await connection.channel(publisher_confirms=False)
        channel.close_callbacks.add(self._on_close)
        await channel.set_qos(prefetch_count=subscription.prefetch)
        underlay = await channel.get_underlay_channel()
        underlay.on_consumer_cancel_callbacks.add(lambda _frame: self._break(f"RabbitMQ cancelled the consumer of {name}"))
        loop = asyncio.get_running_loop()

        async def receive(message: AbstractIncomingMessage) -> None:
            subscription.last = loop.time()
            subscription.receive(RabbitDelivery(message))

        subscription.last = loop.time()
        subscription.channel = channel
        subscription.queue = await channel.get_queue(name, ensure=False)
        subscription.tag = await subscription.queue.consume(receive)

    def _on_close(self, _sender: object, error: BaseException | None) -> None:
        self._break(f"closed: {error!r}")

    def _break(self, reason: str) -> None:
        self.last_error = reason
        self._broken.set()

    async def _watch(self) -> None:
        """Return when the connection is broken, or when a queue has messages and none of them arrive."""
        while True:
            try:
                await asyncio.wait_for(self._broken.wait(), WATCH_SECONDS)
                return
            except TimeoutError:
                for name, subscription in list(self._subscriptions.items()):
                    if await self._is_deaf(subscription):
                        self.last_error = f"{name} has messages and none arrive"
                        return

    async def _is_deaf(self, subscription: Subscription) -> bool:
        if asyncio.get_running_loop().time() - subscription.last < WATCH_SECONDS or subscription.channel is None:
            return False
        passive = await subscription.channel.declare_queue(subscription.queue.name if subscription.queue else "", passive=True)
        waiting = passive.declaration_result.message_count or 0
        subscription.last = asyncio.get_running_loop().time()
        if waiting:
            log.warning("broker.queue_waits", queue=passive.name, messages=waiting)
        return bool(waiting) and not passive.declaration_result.consumer_count


def _arguments(queue: Queue) -> FieldTable:
    """Explicit, because the defaults differ between RabbitMQ 3.10, 3.13, 4.0 and 4.3."""
    if queue.dead:
        return {"x-queue-type": "quorum"}
    return {
        "x-queue-type": "quorum",
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": DEAD_EXCHANGE,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
        "x-max-length": MOST_MESSAGES,
    }
