"""Saying things: all that waits goes in one publish, grouped by type, and comes back when the broker has confirmed it."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import structlog

from shared.clock import full_jitter
from shared.contracts.base import Event
from shared.errors import QueueFull
from shared.ids import run_of
from shared.lanes import MOST_WEIGHT
from shared.messaging.codec import encode
from shared.messaging.port import Broker, Message
from shared.storage.group import GroupCommit
from shared.telemetry.metrics import ServiceMetrics
from shared.telemetry.traces import here

MOST_IDS = 200
MOST_EVENTS = 100
SHARES = 16
"""Into so many messages goes what replicas do for a long time: RabbitMQ deals them out in turn, and each takes what it has room for."""
MOST_REFUSALS = 12
"""About six seconds."""

Said = TypeVar("Said", bound=Event)
Says = Sequence[Event]
NOTHING: Says = ()

log = structlog.get_logger()


def share_of(count: int) -> int:
    """How many ids of so many go in one message, where replicas share them: at most 200."""
    return max(1, min(MOST_IDS, -(-count // SHARES)))


def by_run(ids: Iterable[str], make: Callable[[str, tuple[str, ...]], Said], *, most: int = MOST_IDS) -> list[Said]:
    """Events about many ids: one a run and at most `most` ids each. The run is read off the id."""
    runs: dict[str, list[str]] = defaultdict(list)
    for identifier in ids:
        runs[run_of(identifier.partition(":")[0])].append(identifier)
    return [make(run, tuple(of_run[at : at + most])) for run, of_run in runs.items() for at in range(0, len(of_run), most)]


class Publisher:
    """What a service says goes through here."""

    def __init__(self, broker: Broker, *, service: str, metrics: ServiceMetrics) -> None:
        self._broker = broker
        self._service = service
        self._metrics = metrics
        self._group: GroupCommit[tuple[Event, str | None]] = GroupCommit(self._flush, most=2_000)
        self._hopeless = False
        self.listeners: list[Callable[[Says], None]] = []

    async def say(self, events: Says) -> None:
        """Return when all are confirmed, or given up for want of room, and the listeners know; raises BrokerUnavailable when not."""
        # Where they are said in the trace is known here only: the flush runs in a task of its own.
        await self._group([(event, here(event.run_id)) for event in events])
        for listener in self.listeners:
            listener(events)

    async def _flush(self, said: Sequence[tuple[Event, str | None]]) -> None:
        by_type: dict[type[Event], list[tuple[Event, str | None]]] = defaultdict(list)
        for event, trace in said:
            by_type[type(event)].append((event, trace))
        messages = [self._encoded(some) for same in by_type.values() for some in _split(same)]
        with self._metrics.publishing.time():
            await self._published(messages)
        for kind, same in by_type.items():
            self._metrics.said.labels(event=kind.name).inc(len(same))

    async def _published(self, messages: Sequence[Message]) -> None:
        """What a full queue refuses is said again, and that alone: all of it again would fill the queues of others, too.

        For some seconds; then it is given up, and the sweeps say it again. Whoever held on to what it had heard until there is room would
        wait for those who wait for it. As long as the queue stays full, nobody is made to wait for it again.
        """
        refusals = 0
        while True:
            try:
                await self._broker.publish(messages)
            except QueueFull as error:
                refusals += 1
                messages = error.refused
                if self._hopeless or refusals > MOST_REFUSALS:
                    self._hopeless = True
                    self._metrics.given_up.inc(len(messages))
                    log.warning("publish.given_up", error=str(error), messages=len(messages))
                    return
                log.warning("publish.waits", error=str(error), refusals=refusals)
                await asyncio.sleep(full_jitter(refusals, base=0.05, cap=1.0) + 0.01)
            else:
                self._hopeless = False
                return

    def _encoded(self, said: Sequence[tuple[Event, str | None]]) -> Message:
        return encode([event for event, _ in said], service=self._service, traces=[trace for _, trace in said])


def _split(said: Sequence[tuple[Event, str | None]]) -> Iterator[Sequence[tuple[Event, str | None]]]:
    """What goes in one message each: so many events, so many ids, and whole notes alone. Hearers take some hundred messages in advance."""
    kind = said[0][0]
    most = 1 if kind.name == "task.submitted" else MOST_EVENTS
    heaviest = share_of(sum(event.weight for event, _ in said)) if kind.shared else MOST_WEIGHT
    begin = weight = 0
    for end, (event, _) in enumerate(said):
        if end > begin and (end - begin >= most or weight + event.weight > heaviest):
            yield said[begin:end]
            begin, weight = end, 0
        weight += event.weight
    yield said[begin:]
