"""One life of the two connections to RabbitMQ, and what came over them: whatever waits on it ends with it."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import structlog
from aio_pika.abc import AbstractConnection, AbstractExchange, AbstractIncomingMessage
from aio_pika.exceptions import AMQPError

ANSWER_TIMEOUT = 10.0
LOST = (AMQPError, ConnectionError, TimeoutError, OSError, RuntimeError)

log = structlog.get_logger()


@contextmanager
def honest() -> Iterator[None]:
    """aiormq cancels what waits on a breaking connection. A CancelledError that nobody asked for becomes the ConnectionError that it is."""
    try:
        yield
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise ConnectionError("the connection to RabbitMQ broke during a call; its result is not known") from error


@dataclass(slots=True)
class Link:
    """One life of the two connections. What is heard of an older life does not touch the present one."""

    connections: list[AbstractConnection] = field(default_factory=list)
    exchange: AbstractExchange | None = None
    subscribed: set[str] = field(default_factory=set)
    broken: asyncio.Event = field(default_factory=asyncio.Event)
    reason: str = ""
    blocked: bool = False
    waiting: set[asyncio.Timeout] = field(default_factory=set)
    connecting: asyncio.Timeout = field(default_factory=lambda: asyncio.timeout(None))

    def on_close(self, _sender: object, error: BaseException | None) -> None:
        """A connection or channel ended, whoever wanted it."""
        self.fail(f"closed: {error!r}")

    def fail(self, reason: str) -> None:
        """It is of no use any more; the supervisor builds another."""
        self.reason = self.reason or reason
        self.broken.set()
        waiting, self.waiting = self.waiting, set()
        for limit in waiting:
            limit.reschedule(0)

    def answered(self) -> None:
        """While it is made: RabbitMQ has as long again for what is asked next. It may be slow; all in all there is much to ask."""
        self.connecting.reschedule(asyncio.get_running_loop().time() + ANSWER_TIMEOUT)

    async def look(self) -> None:
        """Note whether RabbitMQ takes messages over this link."""
        was, self.blocked = self.blocked, await _is_blocked(self.connections[-1])
        if self.blocked and not was:
            log.warning("broker.blocks", help="RabbitMQ is short of memory or disk and takes no messages: give it some, and it goes on")

    @asynccontextmanager
    async def lasting(self) -> AsyncIterator[None]:
        """Raise TimeoutError once the link is broken: aiormq lets what it has no room for wait for ever on a connection that closes."""
        if self.broken.is_set():
            raise TimeoutError(self.reason)
        async with asyncio.timeout(None) as limit:
            self.waiting.add(limit)
            try:
                yield
            finally:
                self.waiting.discard(limit)


class RabbitDelivery:
    """A message from RabbitMQ, until acked."""

    def __init__(self, message: AbstractIncomingMessage, link: Link) -> None:
        self._message = message
        self._link = link
        self.body = message.body
        self.routing_key = message.routing_key or ""
        self.message_id = message.message_id or ""
        self.headers: Mapping[str, object] = message.headers

    async def ack(self) -> None:
        try:
            with honest():
                async with self._link.lasting():
                    await self._message.ack()
        except LOST:
            log.debug("ack.too_late", message_id=self.message_id)

    def lost(self) -> bool:
        return self._link.broken.is_set()


async def _is_blocked(connection: AbstractConnection) -> bool:
    """Who is blocked is not ready until that is over; of a connection that is already closed nothing is said."""
    try:
        async with asyncio.timeout(0):
            if connection.transport:
                await connection.transport.ready()
    except TimeoutError:
        return True
    return False
