"""The broker's twin: a topic exchange and queues in one process, with acks, redelivery, a delivery limit and a greatest length."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from shared.errors import BrokerUnavailable, QueueFull
from shared.messaging.port import Delivery, Message, Queue
from shared.messaging.topology import DELIVERY_LIMIT, EXCHANGE


@dataclass(slots=True)
class _Waiting:
    message: Message
    deliveries: int = 0


@dataclass(slots=True)
class _QueueState:
    """What came back goes out before what never went, in the order in which it came back."""

    queue: Queue
    waiting: deque[_Waiting] = field(default_factory=deque)
    returned: deque[_Waiting] = field(default_factory=deque)
    consumers: "list[_Consumer]" = field(default_factory=list)
    wakes: bool = False

    def next(self) -> _Waiting:
        """What goes out now."""
        return self.returned.popleft() if self.returned else self.waiting.popleft()


class MemoryExchange:
    """What all brokers of one process share: the queues and what waits in them."""

    def __init__(self) -> None:
        self._queues: dict[str, _QueueState] = {}

    def waiting(self) -> int:
        """How many messages wait or are not acked, in all queues."""
        states = self._queues.values()
        held = (sum(len(consumer.unacked) for consumer in state.consumers) for state in states)
        return sum(held) + sum(len(state.waiting) + len(state.returned) for state in states)

    def declare(self, queues: Sequence[Queue]) -> None:
        """Make the queues that are missing."""
        for queue in queues:
            self._queues.setdefault(queue.name, _QueueState(queue))

    def delete(self, name: str) -> None:
        """The queue is gone with all that waits in it. Who heard it is told, as by RabbitMQ, and builds everything again."""
        state = self._queues.pop(name)
        for consumer in list(state.consumers):
            consumer.broker.cut()

    def route(self, message: Message, *, dead: bool = False) -> int:
        """Put the message into every queue that is bound to its key and has room; how many those were."""
        found = self.hearers(message.routing_key, dead=dead)
        taken = [state for state in found if dead or len(state.waiting) + len(state.returned) < state.queue.most]
        for state in taken:
            state.waiting.append(_Waiting(message))
            self.wake(state)
        return len(taken) if len(taken) == len(found) else 0

    def hearers(self, key: str, *, dead: bool = False) -> list[_QueueState]:
        """The queues that are bound to this key."""
        return [s for s in self._queues.values() if s.queue.dead == dead and (key in s.queue.keys or "#" in s.queue.keys)]

    def put_back(self, state: _QueueState, waiting: _Waiting) -> None:
        """Queue it before the others, or give it up to the dead queue once it was delivered too often."""
        if waiting.deliveries > DELIVERY_LIMIT and not state.queue.dead:
            died = {
                "x-first-death-queue": state.queue.name,
                "x-first-death-exchange": EXCHANGE,
                "x-first-death-reason": "delivery_limit",
            }
            self.route(replace(waiting.message, headers={**waiting.message.headers, **died}), dead=True)
            return
        state.returned.append(waiting)
        self.wake(state)

    def add(self, name: str, consumer: "_Consumer") -> None:
        """Let a consumer hear the queue."""
        state = self._queues[name]
        consumer.state = state
        state.consumers.append(consumer)
        self.wake(state)

    def wake(self, state: _QueueState) -> None:
        """There may be something to hand out: soon, never inside the call that says so."""
        if not state.wakes:
            state.wakes = True
            asyncio.get_running_loop().call_soon(self._hand_out, state)

    def _hand_out(self, state: _QueueState) -> None:
        state.wakes = False
        while (state.returned or state.waiting) and (free := next((one for one in state.consumers if one.has_room()), None)):
            state.consumers.remove(free)
            state.consumers.append(free)
            free.take(state.next())


class _Consumer:
    def __init__(self, broker: "MemoryBroker", receive: Callable[[Delivery], None], prefetch: int) -> None:
        self.broker = broker
        self._receive = receive
        self._prefetch = prefetch
        self.unacked: dict[int, _Waiting] = {}
        self.state: _QueueState | None = None
        self._tags = 0
        self.lost = False

    def has_room(self) -> bool:
        return len(self.unacked) < self._prefetch

    def take(self, waiting: _Waiting) -> None:
        self._tags += 1
        waiting.deliveries += 1
        self.unacked[self._tags] = waiting
        self._receive(MemoryDelivery(self, self._tags, waiting))

    def acked(self, tag: int) -> None:
        if self.unacked.pop(tag, None) and self.state:
            self.broker.exchange.wake(self.state)

    def leave(self, *, requeue: bool) -> None:
        if self.state is None:
            return
        if self in self.state.consumers:
            self.state.consumers.remove(self)
        if requeue:
            self.lost = True
            unacked, self.unacked = self.unacked, {}
            for waiting in unacked.values():
                self.broker.exchange.put_back(self.state, waiting)


class MemoryDelivery:
    """A message out of a queue, until acked."""

    def __init__(self, consumer: _Consumer, tag: int, waiting: _Waiting) -> None:
        self._consumer = consumer
        self._tag = tag
        self.body = waiting.message.body
        self.routing_key = waiting.message.routing_key
        self.message_id = waiting.message.message_id
        again = {"x-delivery-count": waiting.deliveries - 1} if waiting.deliveries > 1 else {}
        self.headers: Mapping[str, object] = {**waiting.message.headers, **again}

    async def ack(self) -> None:
        self._consumer.acked(self._tag)

    def lost(self) -> bool:
        return self._consumer.lost


class MemoryBroker:
    """One service's connection to the shared exchange. What it hears is remembered over `cut` and `stop`, as by the real one."""

    def __init__(self, exchange: MemoryExchange) -> None:
        self.exchange = exchange
        self._queues: Sequence[Queue] = ()
        self._subscriptions: dict[str, tuple[Callable[[Delivery], None], int]] = {}
        self._consumers: list[tuple[str, _Consumer]] = []
        self._connected = False

    async def start(self, queues: Sequence[Queue]) -> None:
        self._queues = queues
        self._connect()

    async def publish(self, messages: Sequence[Message]) -> None:
        await asyncio.sleep(0)
        if not self._connected:
            raise BrokerUnavailable("this in-memory broker was stopped")
        refused = [message for message in messages if not self.exchange.route(message)]
        keys = {message.routing_key for message in refused}
        if astray := sorted(key for key in keys if not self.exchange.hearers(key)):
            raise BrokerUnavailable(f"no queue is bound to {', '.join(astray)}")
        if refused:
            raise QueueFull(f"a queue that is bound to {', '.join(sorted(keys))} is full", refused=refused)

    async def consume(self, queue: str, receive: Callable[[Delivery], None], *, prefetch: int) -> None:
        self._subscriptions[queue] = (receive, prefetch)
        if self._connected:
            self._hear(queue)

    async def cancel(self, queue: str) -> None:
        self._subscriptions.pop(queue, None)
        for name, consumer in self._consumers:
            if name == queue:
                consumer.leave(requeue=False)

    def connected(self) -> bool:
        return self._connected

    def cut(self) -> None:
        """The connection is lost, and built again at once: what was not acked is delivered again, and acks for it do nothing."""
        self._let_go()
        self._connect()

    async def stop(self) -> None:
        self._let_go()

    def _connect(self) -> None:
        self.exchange.declare(self._queues)
        self._connected = True
        for queue in self._subscriptions:
            self._hear(queue)

    def _hear(self, queue: str) -> None:
        receive, prefetch = self._subscriptions[queue]
        consumer = _Consumer(self, receive, prefetch)
        self._consumers.append((queue, consumer))
        self.exchange.add(queue, consumer)

    def _let_go(self) -> None:
        self._connected = False
        consumers, self._consumers = self._consumers, []
        for _, consumer in consumers:
            consumer.leave(requeue=True)
