"""What the house needs of a broker: say messages and have them confirmed, hear a queue, ack."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """What goes out. `durable` ones are confirmed by the broker before `publish` returns."""

    routing_key: str
    body: bytes
    message_id: str
    content_type: str
    correlation_id: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    durable: bool = True


class Delivery(Protocol):
    """What came in, and may come again until it is acked."""

    body: bytes
    routing_key: str
    message_id: str
    headers: Mapping[str, object]

    async def ack(self) -> None:
        """It is dealt with. Once the connection is lost this returns and does nothing: the broker delivers it again."""

    def lost(self) -> bool:
        """Whether the connection that it came over is lost: then it is delivered again, whatever becomes of it here."""


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue and the routing keys bound to it. One a service; `dead` takes what the broker gave up on, however much that is.

    Of any other at most `most` messages wait in it; then whoever says more is refused, and says it again.
    """

    name: str
    keys: tuple[str, ...]
    dead: bool = False
    most: int = 200_000


class Broker(Protocol):
    """One broker, over one pair of connections."""

    async def start(self, queues: Sequence[Queue]) -> None:
        """Declare the topology and stay connected until `stop`; returns once connected the first time."""

    async def publish(self, messages: Sequence[Message]) -> None:
        """Return when all are confirmed; raises QueueFull when some found no room, BrokerUnavailable for any other reason."""

    async def consume(self, queue: str, receive: Callable[[Delivery], None], *, prefetch: int) -> None:
        """Call `receive` for each delivery, from now on and after every reconnect, with at most `prefetch` unacked."""

    async def cancel(self, queue: str) -> None:
        """Take no more deliveries from the queue; what is unacked may still be acked."""

    def connected(self) -> bool:
        """Whether messages can go both ways now."""

    async def stop(self) -> None:
        """Let go; the broker delivers again what was not acked."""
