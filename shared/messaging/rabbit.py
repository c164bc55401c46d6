"""The port on a real RabbitMQ. One supervisor loop owns both connections: whatever breaks, everything is torn down and built again."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractIncomingMessage, AbstractQueue
from aio_pika.exceptions import DeliveryError
from aiormq.abc import FieldTable
from aiormq.exceptions import ChannelAccessRefused, ChannelNotFoundEntity

from shared.clock import full_jitter
from shared.ending import end
from shared.errors import BrokerUnavailable, QueueFull
from shared.messaging.lenient import be_lenient
from shared.messaging.link import LOST, Link, RabbitDelivery, honest
from shared.messaging.port import Delivery, Message, Queue
from shared.messaging.topology import DEAD_EXCHANGE, EXCHANGE, arguments, own_queues

PUBLISH_TIMEOUT = 5.0
CLOSE_TIMEOUT = 3.0
WATCH_SECONDS = 10.0
LOOK_SECONDS = 5.0
IN_FLIGHT = 200
LONGEST_PAUSE = 5.0
DEFINITIONS = "python -m shared.messaging.definitions"

log = structlog.get_logger()


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
        self._link: Link | None = None
        self._up = asyncio.Event()
        self._slots = asyncio.Semaphore(IN_FLIGHT)
        self._supervisor: asyncio.Task[None] | None = None
        self._failures = 0
        self.last_error = ""
        be_lenient()

    async def start(self, queues: Sequence[Queue]) -> None:
        self._queues = queues
        self._supervisor = asyncio.create_task(self._supervise())
        await self._up.wait()

    async def stop(self) -> None:
        if self._supervisor:
            await end([self._supervisor])
            self.last_error = "stopped"

    def connected(self) -> bool:
        return self._link is not None and not self._link.broken.is_set() and not self._link.blocked

    async def publish(self, messages: Sequence[Message]) -> None:
        link = self._link
        if link is None or link.exchange is None or link.broken.is_set():
            raise BrokerUnavailable(f"no connection to RabbitMQ ({self.last_error or 'connecting'}); it will be tried again")
        outcomes = await asyncio.gather(*(self._publish(link.exchange, message) for message in messages), return_exceptions=True)
        failed = [(message, outcome) for message, outcome in zip(messages, outcomes, strict=True) if isinstance(outcome, BaseException)]
        for _, outcome in failed:
            if type(outcome) is not DeliveryError:  # one that was nacked; those that went astray are of a kind of their own
                raise BrokerUnavailable(f"RabbitMQ did not take a message: {type(outcome).__name__}: {outcome}") from outcome
        if failed:
            keys = ", ".join(sorted({message.routing_key for message, _ in failed}))
            raise QueueFull(f"RabbitMQ has no room for {len(failed)} messages: {keys}", refused=[message for message, _ in failed])

    async def consume(self, queue: str, receive: Callable[[Delivery], None], *, prefetch: int) -> None:
        subscription = self._subscriptions[queue] = Subscription(receive, prefetch)
        if link := self._link:
            try:
                with honest():
                    await self._subscribe(queue, subscription, link)
            except LOST as error:
                link.fail(f"{queue} could not be heard: {error!r}")

    async def cancel(self, queue: str) -> None:
        subscription = self._subscriptions.pop(queue, None)
        if subscription and subscription.queue and subscription.tag:
            try:
                with honest():
                    await subscription.queue.cancel(subscription.tag, timeout=CLOSE_TIMEOUT)
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
            with honest():
                await exchange.publish(outgoing, message.routing_key, timeout=PUBLISH_TIMEOUT)

    async def _supervise(self) -> None:
        while True:
            link = Link()
            try:
                with honest():
                    async with link.connecting:
                        await self._connect(link)
                    await self._watch(link)
                self.last_error = link.reason
                log.warning("broker.lost", error=self.last_error)
            except LOST as error:
                self.last_error = f"{type(error).__name__}: {error}"
                log.warning(
                    "broker.unreachable", error=self.last_error, help="start RabbitMQ, or set TASKGROVE_BROKER_URL; it is tried again"
                )
            except Exception as error:  # whatever it is: a service that stops trying is alive, never ready, and says nothing
                self.last_error = f"{type(error).__name__}: {error}"
                log.exception("broker.broke")
            finally:
                link.fail("given up")
                self._link = None
                self._up.clear()
                await _close(link)
            self._failures += 1
            await asyncio.sleep(0.2 + full_jitter(self._failures, base=0.2, cap=LONGEST_PAUSE))

    async def _connect(self, link: Link) -> None:
        for purpose in ("hears", "says"):
            link.answered()
            properties: FieldTable = {"connection_name": f"{self._name} {purpose}"}
            connection = await aio_pika.connect(self._url, client_properties=properties, heartbeat=10)
            connection.close_callbacks.add(link.on_close)
            link.connections.append(connection)
        await self._declare(link)
        link.answered()
        channel = await link.connections[1].channel(publisher_confirms=True, on_return_raises=True)
        channel.close_callbacks.add(link.on_close)
        link.exchange = await channel.get_exchange(EXCHANGE, ensure=False)
        while missing := set(self._subscriptions) - link.subscribed:
            for name in missing:
                if subscription := self._subscriptions.get(name):
                    link.answered()
                    await self._subscribe(name, subscription, link)
        if not link.broken.is_set():
            self._link, self._failures = link, 0
            self._up.set()
            log.info("broker.connected")

    async def _declare(self, link: Link) -> None:
        """All of the topology. A user that may not has a slice: it declares its own queue, and looks whether the rest is there."""
        link.answered()
        try:
            async with link.connections[0].channel() as channel:
                exchange = await channel.declare_exchange(EXCHANGE, aio_pika.ExchangeType.TOPIC, durable=True)
                dead = await channel.declare_exchange(DEAD_EXCHANGE, aio_pika.ExchangeType.TOPIC, durable=True)
                await self._declare_queues(channel, exchange, dead, link=link)
        except ChannelAccessRefused:
            await self._declare_slice(link)

    async def _declare_slice(self, link: Link) -> None:
        link.answered()
        own = own_queues(self._name)
        try:
            async with link.connections[0].channel() as channel:
                exchange, dead = [await channel.get_exchange(name) for name in (EXCHANGE, DEAD_EXCHANGE)]
                for queue in self._queues:
                    if queue.name not in own:
                        link.answered()
                        await channel.get_queue(queue.name)
                await self._declare_queues(channel, exchange, dead, link=link, only=own)
        except ChannelNotFoundEntity as error:
            raise ConnectionError(f"{error}, and this user may not declare it: load what `{DEFINITIONS}` prints") from error

    async def _declare_queues(
        self,
        channel: AbstractChannel,
        exchange: AbstractExchange,
        dead: AbstractExchange,
        *,
        link: Link,
        only: Sequence[str] | None = None,
    ) -> None:
        for queue in self._queues:
            if only is None or queue.name in only:
                link.answered()
                declared = await channel.declare_queue(queue.name, durable=True, arguments=arguments(queue))
                for key in queue.keys:
                    link.answered()
                    await declared.bind(dead if queue.dead else exchange, key)

    async def _subscribe(self, name: str, subscription: Subscription, link: Link) -> None:
        link.subscribed.add(name)
        channel = await link.connections[0].channel(publisher_confirms=False)
        channel.close_callbacks.add(link.on_close)
        await channel.set_qos(prefetch_count=subscription.prefetch)
        underlay = await channel.get_underlay_channel()
        underlay.on_consumer_cancel_callbacks.add(lambda _frame: link.fail(f"RabbitMQ cancelled the consumer of {name}"))
        loop = asyncio.get_running_loop()

        async def receive(message: AbstractIncomingMessage) -> None:
            subscription.last = loop.time()
            subscription.receive(RabbitDelivery(message, link))

        subscription.last = loop.time()
        subscription.channel = channel
        subscription.queue = await channel.get_queue(name, ensure=False)
        subscription.tag = await subscription.queue.consume(receive)
        if self._subscriptions.get(name) is not subscription:
            await subscription.queue.cancel(subscription.tag)

    async def _watch(self, link: Link) -> None:
        """Return when the link is broken, or when a queue has messages and none of them arrive; note whether publishers are blocked."""
        while not link.broken.is_set():
            try:
                await asyncio.wait_for(link.broken.wait(), LOOK_SECONDS)
            except TimeoutError:
                await link.look()
                for name, subscription in list(self._subscriptions.items()):
                    if await _is_deaf(subscription):
                        link.fail(f"{name} has messages and none arrive")


async def _close(link: Link) -> None:
    closing = [asyncio.wait_for(connection.close(), CLOSE_TIMEOUT) for connection in link.connections]
    await asyncio.gather(*closing, return_exceptions=True)


async def _is_deaf(subscription: Subscription) -> bool:
    now = asyncio.get_running_loop().time()
    if now - subscription.last < WATCH_SECONDS or subscription.channel is None or subscription.queue is None:
        return False
    passive = await subscription.channel.declare_queue(subscription.queue.name, passive=True)
    waiting = passive.declaration_result.message_count or 0
    subscription.last = now
    if waiting:
        log.warning("broker.queue_waits", queue=passive.name, messages=waiting)
    return bool(waiting) and not passive.declaration_result.consumer_count
