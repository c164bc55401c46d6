"""What a service says: grouped by type, in few messages, and confirmed before `say` returns."""

import asyncio
from collections.abc import Callable, Sequence

import orjson
import pytest
from prometheus_client import CollectorRegistry

from shared.contracts.approvals import TaskSubmitted
from shared.contracts.executor import AgentProgress, TaskExecuted
from shared.contracts.sequencer import TaskCompleted, TaskReady
from shared.errors import BrokerUnavailable, QueueFull
from shared.lanes import MOST_WEIGHT
from shared.messaging import publisher as publisher_module
from shared.messaging.port import Delivery, Message, Queue
from shared.messaging.publisher import MOST_EVENTS, MOST_IDS, MOST_REFUSALS, SHARES, Publisher, by_run, share_of
from shared.telemetry.metrics import ServiceMetrics


class Mouth:
    """A broker that keeps what it is given."""

    def __init__(self) -> None:
        self.publishes: list[list[Message]] = []
        self.refuses = False
        self.full = 0
        self.tries: list[int] = []

    async def publish(self, messages: Sequence[Message]) -> None:
        await asyncio.sleep(0)
        self.tries.append(len(messages))
        if self.refuses:
            raise BrokerUnavailable("not confirmed")
        if self.full:
            self.full -= 1
            self.publishes.append(list(messages[1:]))
            raise QueueFull("no room", refused=messages[:1])
        self.publishes.append(list(messages))

    async def start(self, queues: Sequence[Queue]) -> None:
        raise NotImplementedError

    async def consume(self, queue: str, receive: Callable[[Delivery], None], *, prefetch: int) -> None:
        raise NotImplementedError

    async def cancel(self, queue: str) -> None:
        raise NotImplementedError

    async def stop(self) -> None:
        raise NotImplementedError

    def connected(self) -> bool:
        return not self.refuses


@pytest.fixture
def mouth() -> Mouth:
    return Mouth()


@pytest.fixture
def publisher(mouth: Mouth) -> Publisher:
    return Publisher(mouth, service="sequencer", metrics=ServiceMetrics(CollectorRegistry()))


def ready(n: int) -> TaskReady:
    return TaskReady(run_id="r", attempts=(f"r.{n}:1",))


def sizes(mouth: Mouth) -> list[tuple[str, int]]:
    return [(message.routing_key, len(orjson.loads(message.body))) for messages in mouth.publishes for message in messages]


async def test_a_lone_event_is_a_message_of_one(publisher: Publisher, mouth: Mouth) -> None:
    await publisher.say([ready(1)])
    assert sizes(mouth) == [("task.ready", 1)]


async def test_nothing_to_say_is_no_message(publisher: Publisher, mouth: Mouth) -> None:
    await publisher.say(())
    assert mouth.publishes == []


async def test_what_many_say_at_once_goes_in_few_messages(publisher: Publisher, mouth: Mouth) -> None:
    said = [(TaskCompleted(run_id="r", tasks=(f"r.{n}",)), TaskExecuted(run_id="r", attempts=(f"r.{n}:1",))) for n in range(150)]
    await asyncio.gather(*(publisher.say(events) for events in said))
    assert sum(count for key, count in sizes(mouth) if key == "task.completed") == 150
    assert sum(count for key, count in sizes(mouth) if key == "task.executed") == 150
    assert max(count for _, count in sizes(mouth)) == MOST_EVENTS
    assert len(sizes(mouth)) <= 6


async def test_what_replicas_share_goes_in_as_many_messages(publisher: Publisher, mouth: Mouth) -> None:
    ids = [f"r.{n}:1" for n in range(40)]
    said = by_run(ids, lambda run, some: TaskReady(run_id=run, attempts=some), most=share_of(len(ids)))
    await publisher.say(said)
    carried = [[one["data"]["attempts"] for one in orjson.loads(message.body)] for message in mouth.publishes[0]]
    assert [sum(map(len, message)) for message in carried] == [3] * 13 + [1]
    mouth.publishes.clear()
    await asyncio.gather(*(publisher.say([ready(n)]) for n in range(320)))
    assert max(count for _, count in sizes(mouth)) <= 320 // SHARES
    assert [share_of(count) for count in (0, 1, 16, 17, 3_200, 50_000)] == [1, 1, 1, 2, MOST_IDS, MOST_IDS]


async def test_a_submission_goes_alone_because_it_is_whole(publisher: Publisher, mouth: Mouth) -> None:
    await publisher.say([TaskSubmitted(run_id=f"r{n}") for n in range(3)])
    assert sizes(mouth) == [("task.submitted", 1)] * 3


async def test_a_message_carries_no_more_ids_than_are_handled_together(publisher: Publisher, mouth: Mouth) -> None:
    ids = [f"r.{n}:1" for n in range(5_000)]
    await publisher.say(by_run(ids, lambda run, some: TaskExecuted(run_id=run, attempts=some)))
    said = [[one["data"]["attempts"] for one in orjson.loads(message.body)] for message in mouth.publishes[0]]
    assert [sum(len(attempts) for attempts in message) for message in said] == [MOST_WEIGHT, MOST_WEIGHT, 1_000]
    assert [attempt for message in said for attempts in message for attempt in attempts] == ids


async def test_what_need_not_last_is_marked(publisher: Publisher, mouth: Mouth) -> None:
    await publisher.say([AgentProgress(run_id="r", task_id="r.1", lines=("a",)), ready(1)])
    assert {message.routing_key: message.durable for message in mouth.publishes[0]} == {"agent.progress": False, "task.ready": True}


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher_module, "full_jitter", lambda *_, **__: 0.0)


@pytest.mark.usefixtures("no_waiting")
class TestFull:
    async def test_what_a_full_queue_refuses_is_said_again_and_nothing_else(self, publisher: Publisher, mouth: Mouth) -> None:
        mouth.full = 3
        await publisher.say([ready(1), TaskExecuted(run_id="r", attempts=("r.1:1",)), TaskCompleted(run_id="r", tasks=("r.1",))])
        assert mouth.tries == [3, 1, 1, 1]
        assert sorted(sizes(mouth)) == [("task.completed", 1), ("task.executed", 1), ("task.ready", 1)]

    async def test_after_a_while_it_is_given_up_and_nobody_waits_for_that_queue_until_it_has_room(
        self, publisher: Publisher, mouth: Mouth
    ) -> None:
        mouth.full = 10**6
        await publisher.say([ready(1)])
        assert len(mouth.tries) == MOST_REFUSALS + 1
        mouth.tries.clear()
        await publisher.say([ready(2)])
        assert mouth.tries == [1]
        mouth.full = 0
        await publisher.say([ready(3)])
        assert sizes(mouth)[-1:] == [("task.ready", 1)]
        mouth.full, mouth.tries = 2, []
        await publisher.say([ready(4)])
        assert mouth.tries == [1, 1, 1], "it is hoped for again"


async def test_what_is_not_confirmed_is_an_error_to_all_who_said_it(publisher: Publisher, mouth: Mouth) -> None:
    mouth.refuses = True
    outcomes = await asyncio.gather(*(publisher.say([ready(n)]) for n in range(3)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [BrokerUnavailable] * 3
    mouth.refuses = False
    await publisher.say([ready(4)])
    assert sizes(mouth) == [("task.ready", 1)]


def test_ids_are_grouped_by_their_run_and_capped() -> None:
    ids = [f"{run}.{n}:1" for n in range(MOST_IDS + 1) for run in ("a", "b")]
    said = by_run(ids, lambda run, some: TaskReady(run_id=run, attempts=some))
    assert [(event.run_id, len(event.attempts)) for event in said] == [("a", MOST_IDS), ("a", 1), ("b", MOST_IDS), ("b", 1)]
    assert sorted(i for event in said for i in event.attempts) == sorted(ids)
    assert by_run(["r:1", "r"], lambda run, some: TaskReady(run_id=run, attempts=some))[0].attempts == ("r:1", "r")
