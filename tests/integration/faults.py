"""Brokers that lie: one says everything twice, one loses a share of what it confirms."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from shared.messaging.port import Broker, Delivery, Message, Queue
from tests.integration.house import Parts


class Lying:
    """A broker that publishes something else than it was given."""

    def __init__(self, inner: Broker, twist: Callable[[Sequence[Message]], Sequence[Message]]) -> None:
        self._inner = inner
        self._twist = twist

    async def start(self, queues: Sequence[Queue]) -> None:
        await self._inner.start(queues)

    async def publish(self, messages: Sequence[Message]) -> None:
        await self._inner.publish(self._twist(messages))

    async def consume(self, queue: str, receive: Callable[[Delivery], None], *, prefetch: int) -> None:
        await self._inner.consume(queue, receive, prefetch=prefetch)

    async def cancel(self, queue: str) -> None:
        await self._inner.cancel(queue)

    def connected(self) -> bool:
        return self._inner.connected()

    async def stop(self) -> None:
        await self._inner.stop()


def twice(parts: Parts) -> Parts:
    """Every message is delivered twice, the second time after all others."""
    return replace(parts, broker=lambda name: Lying(parts.broker(name), lambda messages: [*messages, *messages]))


def losing(share: float, *, seed: int) -> Callable[[Parts], Parts]:
    """Of all messages this share is confirmed and lost; which ones depends on the seed."""
    dice = random.Random(seed)  # noqa: S311 (a test that can be repeated)

    def lose(messages: Sequence[Message]) -> Sequence[Message]:
        return [message for message in messages if dice.random() >= share]

    return lambda parts: replace(parts, broker=lambda name: Lying(parts.broker(name), lose))


def losing_firsts(parts: Parts, *, kind: str = "") -> Parts:
    """The first message of each kind, or of this one, is confirmed and lost."""
    seen = set[str]()

    def lose(messages: Sequence[Message]) -> Sequence[Message]:
        kept = [message for message in messages if message.routing_key in seen or not message.routing_key.startswith(kind)]
        seen.update(message.routing_key for message in messages)
        return kept

    return replace(parts, broker=lambda name: Lying(parts.broker(name), lose))
