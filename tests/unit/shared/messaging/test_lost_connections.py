"""What a consumer holds when its connection is lost: it comes again, so that what nobody handles yet is forgotten."""

import asyncio
from collections.abc import Sequence
from typing import Any

from shared.contracts.checker import TaskVerified
from shared.errors import StoreUnavailable
from shared.messaging.port import Delivery, Message
from shared.messaging.publisher import NOTHING, Says
from tests.unit.shared.messaging.conftest import Stage, until


def verified(n: int, run: str) -> TaskVerified:
    return TaskVerified(run_id=run, verdicts=(f"{run}.{n}:1",))


class Held:
    """A handler that takes its batch, and goes on when it may."""

    def __init__(self) -> None:
        self.events: list[TaskVerified] = []
        self.started = 0
        self.may = asyncio.Event()

    async def __call__(self, events: Sequence[Any], _deps: Any) -> Says:
        self.started += 1
        await self.may.wait()
        self.events += events
        return NOTHING


def waiting(stage: Stage) -> float:
    return stage.count("taskgrove_events_waiting", event="task.verified")


async def test_a_message_waits_once_however_often_the_connection_is_lost() -> None:
    """And each is handled; what was under way when the connection was lost is finished, and handled again."""
    stage, handler = Stage(), Held()
    consumer = await stage.hear({TaskVerified: handler})
    await stage.send([verified(0, "busy")])
    await until(lambda: handler.started)
    await stage.send(*([verified(n, "busy")] for n in range(1, 20)))
    await until(lambda: waiting(stage) == 19)
    for _ in range(3):
        stage.broker.cut()
        await stage.send([verified(20, "busy")])
        await until(lambda: stage.unacked() == len(held(stage)))
    assert waiting(stage) == stage.unacked() == 23
    handler.may.set()
    await until(lambda: stage.unacked() == 0)
    assert handler.events == [verified(n, "busy") for n in (0, *range(20), 20, 20, 20)]
    await consumer.drain(0)


def held(stage: Stage) -> dict[int, Any]:
    (consumer,) = stage.exchange._queues["taskgrove.sequencer"].consumers  # noqa: SLF001 (the twin shows its insides to nobody else)
    return consumer.unacked


async def test_what_waits_while_the_broker_is_away_is_not_begun() -> None:
    stage, handler = Stage(), Held()
    consumer = await stage.hear({TaskVerified: handler})
    await stage.send([verified(0, "r")])
    await until(lambda: handler.started)
    await stage.send([verified(1, "r")], [verified(2, "r")])
    await until(lambda: waiting(stage) == 2)
    await stage.broker.stop()
    handler.may.set()
    await until(lambda: waiting(stage) == 0)
    assert handler.events == [verified(0, "r")]
    await stage.broker.start(())
    await until(lambda: stage.unacked() == 0)
    assert handler.events == [verified(n, "r") for n in (0, 0, 1, 2)]
    await consumer.drain(0)


async def test_what_comes_late_over_a_lost_connection_is_not_taken_and_harms_nothing_that_waits() -> None:
    stage, handler, late = Stage(), Held(), list[Delivery]()
    consumer = await stage.hear({TaskVerified: handler})
    await stage.broker.cancel("taskgrove.sequencer")
    await stage.broker.consume("taskgrove.sequencer", late.append, prefetch=1)
    await stage.send([verified(1, "r")])
    await until(lambda: late)
    await consumer.start()
    stage.broker.cut()
    await until(lambda: handler.started)
    await stage.send([verified(2, "r")])
    await until(lambda: waiting(stage) == 1)
    consumer._receive(late[0])  # noqa: SLF001 (as a client library may, that has read it already)
    handler.may.set()
    await until(lambda: stage.unacked() == 0)
    assert handler.events == [verified(1, "r"), verified(2, "r")]
    await consumer.drain(0)


class Away:
    """A quarantine in a store that does not answer."""

    def __init__(self) -> None:
        self.asked: list[Delivery] = []

    async def put(self, delivery: Delivery, _reason: str, _raw: Any = None) -> None:
        self.asked.append(delivery)
        raise StoreUnavailable("no primary")


async def test_poison_that_cannot_be_kept_waits_once_as_well() -> None:
    stage, quarantine = Stage(), Away()
    consumer = await stage.hear({TaskVerified: Held()}, quarantine=quarantine)
    await stage.send(Message("task.verified", b"poison", "m", "text/plain"))
    for losses in range(4):
        await until(lambda losses=losses: len({id(delivery) for delivery in quarantine.asked}) == losses + 1)
        stage.broker.cut()
    await until(lambda: len(consumer._poisoned) == 1)  # noqa: SLF001 (what it keeps is the point)
    await consumer.drain(0)
