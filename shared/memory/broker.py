"""The broker's twin: a topic exchange and queues in one process, with acks, redelivery and a delivery limit."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from shared.errors import BrokerUnavailable
from shared.messaging.port import Delivery, Message, Queue
from shared.messaging.topology import DELIVERY_LIMIT


@dataclass(slots=True)
class _Waiting:
    message: Message
    deliveries: int = 0


@dataclass(slots=True)
class _QueueState:
    queue: Queue
    waiting: deque[_Waiting] = field(default_factory=deque)
    consumers: "list[_Consumer]" = field(default_factory=list)


class MemoryExchange:
    """What all brokers of one process share: the queues and what waits in them."""

    def __init__(self) -> None:
        self._queues: dict[str, _QueueState] = {}

    def waiting(self) -> int:
        """How many messages wait or are not acked, in all queues."""
        states = self._queues.values()
        return sum(len(state.waiting) + sum(len(consumer.unacked) for consumer in state.consumers) for state in states)

    def declare(self, queues: Sequence[Queue]) -> None:
        """Make the queues that are missing."""
        for queue in queues:
            self._queues.setdefault(queue.name, _QueueState(queue))

    def route(self, message: Message, *, dead: bool = False) -> int:
        """Put the message into every queue that is bound to its key; how many those were."""
        found = [s for s in self._queues.values() if s.queue.dead == dead and (message.routing_key in s.queue.keys or "#" in s.queue.keys)]
        for state in found:
            self.put(state, _Waiting(message))
        return len(found)

    def put(self, state: _QueueState, waiting: _Waiting, *, first: bool = False) -> None:
        """Queue it, or give it up to the dead queue once it was delivered too often. What comes back goes `first`."""
        if waiting.deliveries > DELIVERY_LIMIT and not state.queue.dead:
            headers = {**waiting.message.headers, "x-first-death-queue": state.queue.name}
            self.route(replace(waiting.message, headers=headers), dead=True)
            return
        if first:
            state.waiting.appendleft(waiting)
        else:
            state.waiting.append(waiting)
        asyncio.get_running_loop().call_soon(self._hand_out, state)

    def add(self, name: str, consumer: "_Consumer") -> None:
        """Let a consumer hear the queue."""
        state = self._queues[name]
        consumer.state = state
        state.consumers.append(consumer)
        asyncio.get_running_loop().call_soon(self._hand_out, state)

    def _hand_out(self, state: _QueueState) -> None:
        while state.waiting and (free := [consumer for consumer in state.consumers if consumer.has_room()]):
            state.consumers.append(state.consumers.pop(state.consumers.index(free[0])))
            free[0].take(state.waiting.popleft())

    def refill(self, state: _QueueState) -> None:
        """There is room again."""
        self._hand_out(state)


class _Consumer:
    def __init__(self, exchange: MemoryExchange, receive: Callable[[Delivery], None], prefetch: int) -> None:
        self._exchange = exchange
        self._receive = receive
        self._prefetch = prefetch
        self.unacked: dict[int, _Waiting] = {}
        self.state: _QueueState | None = None
        self._tags = 0

    def has_room(self) -> bool:
        return len(self.unacked) < self._prefetch

    def take(self, waiting: _Waiting) -> None:
        self._tags += 1
        waiting.deliveries += 1
        self.unacked[self._tags] = waiting
        self._receive(MemoryDelivery(self, self._tags, waiting))

    def acked(self, tag: int) -> None:
        if self.unacked.pop(tag, None) and self.state:
            self._exchange.refill(self.state)

    def leave(self, *, requeue: bool) -> None:
        if self.state is None:
            return
        if self in self.state.consumers:
            self.state.consumers.remove(self)
        if requeue:
            for waiting in reversed(self.unacked.values()):
                self._exchange.put(self.state, waiting, first=True)
            self.unacked.clear()


class MemoryDelivery:
    """A message out of a queue, until acked."""

    def __init__(self, consumer: _Consumer, tag: int, waiting: _Waiting) -> None:
        self._consumer = consumer
        self._tag = tag
        self.body = waiting.message.body
        self.routing_key = waiting.message.routing_key
        self.message_id = waiting.message.message_id
        self.headers: Mapping[str, object] = {**waiting.message.headers, "x-delivery-count": waiting.deliveries - 1}

    async def ack(self) -> None:
        self._consumer.acked(self._tag)


class MemoryBroker:
    """One service's connection to the shared exchange."""

    def __init__(self, exchange: MemoryExchange) -> None:
        self._exchange = exchange
        self._consumers: dict[str, _Consumer] = {}
        self._connected = False

    async def start(self, queues: Sequence[Queue]) -> None:
        self._exchange.declare(queues)
        self._connected = True

    async def publish(self, messages: Sequence[Message]) -> None:
        await asyncio.sleep(0)
        if not self._connected:
            raise BrokerUnavailable("this in-memory broker was stopped")
        if unrouted := [message.routing_key for message in messages if not self._exchange.route(message)]:
            raise BrokerUnavailable(f"no queue is bound to {', '.join(sorted(set(unrouted)))}")

    async def consume(self, queue: str, receive: Callable[[Delivery], None], *, prefetch: int) -> None:
        consumer = self._consumers[queue] = _Consumer(self._exchange, receive, prefetch)
        self._exchange.add(queue, consumer)

    async def cancel(self, queue: str) -> None:
        if queue in self._consumers:
            self._consumers[queue].leave(requeue=False)

    def connected(self) -> bool:
        return self._connected

    async def stop(self) -> None:
        self._connected = False
        for consumer in self._consumers.values():
            consumer.leave(requeue=True)
