"""What wraps every handler: batches, each error's fate, acks at the right moment, an end without loss."""

import asyncio
import re
from collections.abc import Sequence
from typing import Any

import pytest

from shared.contracts.approvals import RunImported, TaskSubmitted
from shared.contracts.base import Event
from shared.contracts.checker import TaskVerified
from shared.contracts.planner import PlanProposed
from shared.contracts.sequencer import PlanRequested, TaskReady
from shared.errors import BadInput, StoreUnavailable
from shared.lanes import MOST_WEIGHT
from shared.messaging.codec import MOST_BYTES, encode
from shared.messaging.consumer import AT_ONCE, PREFETCH, PREFETCH_WHOLE, TRIES, prefetch_of
from shared.messaging.port import Delivery, Message
from shared.messaging.publisher import NOTHING, Says
from tests.unit.shared.messaging.conftest import Stage, until


def verified(n: int, run: str = "r") -> TaskVerified:
    return TaskVerified(run_id=run, verdicts=(f"{run}.{n}:1",))


def proposed() -> PlanProposed:
    return PlanProposed(run_id="r", task_id="r", plan_id="r@1", version=1)


class Handler:
    """Remembers its batches, and does what the test says with each event."""

    def __init__(self, *, bad: Sequence[str] = (), error: Exception | None = None, times: int = 10_000) -> None:
        self.batches: list[list[Any]] = []
        self.bad = set(bad)
        self.error = error
        self.times = times
        self.gate = asyncio.Event()
        self.gate.set()
        self.running = 0

    async def __call__(self, events: Sequence[Any], _deps: Any) -> Says:
        self.running += 1
        try:
            await self.gate.wait()
            self.batches.append(list(events))
            if self.error and self.times > 0 and self.bad & {verdict for event in events for verdict in event.verdicts}:
                self.times -= 1
                raise self.error
            return NOTHING
        finally:
            self.running -= 1

    def events(self) -> list[Any]:
        return [event for batch in self.batches for event in batch]


class TestFigures:
    async def test_what_waits_and_for_how_long_is_seen_while_it_does(self, stage: Stage) -> None:
        handler = Handler()
        handler.gate.clear()
        await stage.hear({TaskVerified: handler})
        assert stage.metrics.registry.get_sample_value("taskgrove_events_heard_total", {"event": "task.verified"}) == 0
        await stage.send([verified(1)])
        await until(lambda: handler.running)
        await stage.send([verified(2)], [verified(3)])
        await until(lambda: stage.count("taskgrove_events_waiting", event="task.verified") == 2)
        await until(lambda: stage.count("taskgrove_events_oldest_seconds", event="task.verified") > 0.01)
        handler.gate.set()
        await until(lambda: not stage.unacked())
        assert stage.count("taskgrove_events_waiting", event="task.verified") == 0
        assert stage.count("taskgrove_events_oldest_seconds", event="task.verified") == 0
        assert stage.count("taskgrove_hop_seconds_count") == 3
        assert stage.count("taskgrove_hop_seconds_sum") < 5

    async def test_messages_of_others_have_no_time_of_making(self, stage: Stage) -> None:
        handler = Handler()
        await stage.hear({TaskVerified: handler})
        await stage.send_raw(encode([verified(1)], service="test").body, message_id="somebody's own")
        await until(lambda: handler.batches)
        assert stage.count("taskgrove_hop_seconds_count") == 0


class TestBatches:
    async def test_a_lone_event_goes_at_once_and_alone(self, stage: Stage) -> None:
        handler = Handler()
        await stage.hear({TaskVerified: handler})
        await stage.send([verified(1)])
        await until(lambda: stage.unacked() == 0 and handler.batches)
        assert handler.batches == [[verified(1)]]
        assert stage.clock.slept == []

    async def test_a_storm_goes_in_batches_that_keep_the_order(self, stage: Stage) -> None:
        handler = Handler()
        handler.gate.clear()
        await stage.hear({TaskVerified: handler})
        await stage.send([verified(0)])
        await until(lambda: handler.running)
        await stage.send(*([verified(n)] for n in range(1, 251)))
        handler.gate.set()
        await until(lambda: stage.unacked() == 0)
        assert [len(batch) for batch in handler.batches] == [1, 250]
        assert handler.events() == [verified(n) for n in range(251)]

    async def test_a_batch_is_bounded_by_the_ids_that_its_events_carry(self, stage: Stage) -> None:
        handler = Handler()
        handler.gate.clear()
        await stage.hear({TaskVerified: handler})
        await stage.send([verified(0)])
        await until(lambda: handler.running)
        await stage.send(*([TaskVerified(run_id="r", verdicts=(f"r.{n}:1",) * 200)] for n in range(25)))
        handler.gate.set()
        await until(lambda: stage.unacked() == 0)
        assert [len(batch) for batch in handler.batches] == [1, MOST_WEIGHT // 200, MOST_WEIGHT // 200, 5]

    async def test_a_message_with_many_events_is_acked_once_after_the_last(self, stage: Stage) -> None:
        handler = Handler()
        handler.gate.clear()
        await stage.hear({TaskVerified: handler})
        await stage.send([verified(n) for n in range(5)])
        await until(lambda: handler.running)
        assert stage.unacked() == 1
        handler.gate.set()
        await until(lambda: stage.unacked() == 0)
        assert handler.events() == [verified(n) for n in range(5)]

    async def test_types_do_not_hold_each_other_up(self, stage: Stage) -> None:
        slow, quick = Handler(), Handler()
        slow.gate.clear()
        await stage.hear({TaskVerified: slow, PlanProposed: quick})
        await stage.send([verified(1)], [proposed()])
        await until(lambda: quick.batches)
        assert slow.batches == []
        slow.gate.set()
        await until(lambda: stage.unacked() == 0)

    async def test_the_same_message_twice_is_handled_twice_and_acked_twice(self, stage: Stage) -> None:
        handler = Handler()
        await stage.hear({TaskVerified: handler})
        message = encode([verified(1)], service="test")
        await stage.send(message, message)
        await until(lambda: stage.unacked() == 0 and len(handler.events()) == 2)

    async def test_what_the_handler_says_is_said_before_the_ack(self, stage: Stage) -> None:
        unacked_when_said: list[int] = []

        async def on_verified(events: Sequence[TaskVerified], _deps: Any) -> list[Event]:
            return [TaskReady(run_id=event.run_id, attempts=event.verdicts) for event in events]

        await stage.hear({TaskVerified: on_verified})

        def hear(delivery: Delivery) -> None:
            unacked_when_said.append(stage.unacked())
            stage.told.append(delivery)

        await stage.world.cancel("taskgrove.executor")
        await stage.world.consume("taskgrove.executor", hear, prefetch=9)
        await stage.send([verified(1)])
        await until(lambda: stage.told and stage.unacked() == 0)
        assert unacked_when_said == [1]
        assert stage.count("taskgrove_events_said_total", event="task.ready") == 1
        await until(lambda: stage.count("taskgrove_events_heard_total", event="task.verified") == 1)  # counted once all is acked


class TestFairness:
    async def test_a_small_run_waits_for_no_batch_of_a_big_one(self, stage: Stage) -> None:
        handler = Handler()
        handler.gate.clear()
        await stage.hear({TaskVerified: handler})
        await stage.send(*([TaskVerified(run_id="big", verdicts=(f"big.{n}:1",) * 200)] for n in range(100)))
        await until(lambda: handler.running)
        await stage.send([verified(1, "small")])
        await until(lambda: handler.running == 2)
        handler.gate.set()
        await until(lambda: stage.unacked() == 0)
        assert [batch for batch in handler.batches if verified(1, "small") in batch] == [[verified(1, "small")]]
        assert len(handler.events()) == 101

    async def test_of_one_run_one_batch_at_a_time_is_handled(self, stage: Stage) -> None:
        handler = Handler()
        handler.gate.clear()
        await stage.hear({TaskVerified: handler})
        for n in range(20):
            await stage.send([verified(n, "a")])
            await asyncio.sleep(0.002)
        assert handler.running == 1
        handler.gate.set()
        await until(lambda: stage.unacked() == 0)
        assert handler.events() == [verified(n, "a") for n in range(20)]

    async def test_so_many_batches_go_at_once_and_no_more(self, stage: Stage) -> None:
        handler = Handler()
        handler.gate.clear()
        await stage.hear({TaskVerified: handler})
        for n in range(2 * AT_ONCE):
            await stage.send([verified(1, f"r{n}")])
            await asyncio.sleep(0.002)
        assert handler.running == AT_ONCE
        handler.gate.set()
        await until(lambda: stage.unacked() == 0)
        assert len(handler.batches) == AT_ONCE + 1, "those who waited went together"

    async def test_no_more_is_taken_in_advance_than_the_prefetch(self, stage: Stage) -> None:
        handler = Handler()
        handler.gate.clear()
        await stage.hear({TaskVerified: handler})
        await stage.send([verified(0)])
        await until(lambda: handler.running)
        await stage.send(*([verified(n)] for n in range(1, PREFETCH + 100)))
        await until(lambda: stage.count("taskgrove_events_waiting", event="task.verified") == PREFETCH - 1)
        await asyncio.sleep(0.02)
        assert stage.count("taskgrove_events_waiting", event="task.verified") <= PREFETCH
        handler.gate.set()
        await until(lambda: stage.unacked() == 0)
        assert len(handler.events()) == PREFETCH + 100

    def test_of_whole_submissions_few_are_held_at_once(self) -> None:
        assert prefetch_of([TaskSubmitted, PlanRequested, RunImported]) == PREFETCH_WHOLE, "the planner"
        assert prefetch_of([TaskSubmitted, TaskReady]) == PREFETCH


class TestFates:
    @pytest.mark.parametrize("error", [ValueError("a mistake"), BadInput("a wrong id")], ids=["unexpected", "ours"])
    async def test_a_bad_event_harms_no_neighbour(self, stage: Stage, error: Exception) -> None:
        handler = Handler(bad=["r.3:1"], error=error)
        handler.gate.clear()
        await stage.hear({TaskVerified: handler})
        await stage.send([verified(0)])
        await until(lambda: handler.running)
        await stage.send(*([verified(n)] for n in range(1, 6)))
        handler.gate.set()
        await until(lambda: stage.unacked() == 0)
        alone = [batch for batch in handler.batches if len(batch) == 1]
        assert {event for batch in alone for event in batch} == {verified(n) for n in range(6)}
        (kept,) = await stage.quarantined()
        assert type(error).__name__ in kept["reason"]
        assert str(error) in kept["reason"]
        assert "r.3:1" in kept["body"]
        assert alone.count([verified(3)]) == (1 if isinstance(error, BadInput) else TRIES), "what is known to be useless is not repeated"
        assert stage.count("taskgrove_quarantined_total") == 1

    async def test_within_one_message_only_the_bad_event_is_quarantined(self, stage: Stage) -> None:
        handler = Handler(bad=["r.2:1"], error=BadInput("no"))
        await stage.hear({TaskVerified: handler})
        await stage.send([verified(n) for n in range(4)])
        await until(lambda: stage.unacked() == 0)
        (kept,) = await stage.quarantined()
        assert '"verdicts":["r.2:1"]' in kept["body"]
        assert '"specversion":"1.0"' in kept["body"], "the whole event, so that it can be said again"

    async def test_a_mistake_that_passes_is_forgiven(self, stage: Stage) -> None:
        handler = Handler(bad=["r.1:1"], error=ValueError("now and then"), times=TRIES - 1)
        await stage.hear({TaskVerified: handler})
        await stage.send([verified(1)])
        await until(lambda: stage.unacked() == 0)
        assert len(handler.batches) == TRIES
        assert await stage.quarantined() == []

    async def test_what_is_unavailable_is_waited_for_with_growing_patience(self, stage: Stage) -> None:
        handler = Handler(bad=["r.1:1"], error=StoreUnavailable("no primary"), times=40)
        await stage.hear({TaskVerified: handler})
        await stage.send([verified(1)])
        await until(lambda: len(handler.batches) >= 5)
        assert stage.unacked() == 1
        await until(lambda: stage.unacked() == 0)
        assert len(handler.batches) == 41
        assert await stage.quarantined() == []
        assert max(stage.clock.slept) <= 15.05
        assert max(stage.clock.slept) > 1

    async def test_a_broker_that_does_not_confirm_is_tried_again(self, stage: Stage) -> None:
        tries = 0

        async def on_verified(_events: Sequence[TaskVerified], _deps: Any) -> list[Event]:
            nonlocal tries
            tries += 1
            if tries == 3:
                await stage.broker.start(())
            else:
                stage.broker._connected = False  # noqa: SLF001 (cut off, though its consumer still holds the message)
            return [TaskReady(run_id="r", attempts=("r.1:2",))]

        await stage.hear({TaskVerified: on_verified})
        await stage.send([verified(1)])
        await until(lambda: stage.unacked() == 0)
        assert tries == 3
        assert len(stage.told) == 1

    async def test_while_the_quarantine_cannot_be_written_its_message_waits_and_others_pass(self, stage: Stage) -> None:
        handler, quarantine = Handler(), Failing(times=5)
        await stage.hear({TaskVerified: handler}, quarantine=quarantine)
        await stage.send_raw(b"no json")
        await stage.send([verified(1)])
        await until(lambda: handler.batches)
        assert stage.unacked() == 1
        await until(lambda: stage.unacked() == 0)
        assert quarantine.times == 0
        assert stage.count("taskgrove_quarantined_total") == 1


class Failing:
    """A quarantine that cannot be written for a while."""

    def __init__(self, times: int) -> None:
        self.times = times

    async def put(self, _delivery: Any, _reason: str, _raw: Any = None) -> None:
        if self.times:
            self.times -= 1
            raise StoreUnavailable("no primary") if self.times % 2 else ValueError("something else")


class TestPoison:
    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (b"", "not JSON"),
            (b"{", "not JSON"),
            (b"\xff\xfe", "not JSON"),
            (b'"\\ud800"', "not JSON"),
            (b"[]", "an empty batch"),
            (b"null", "not a CloudEvent 1.0"),
            (b"7", "not a CloudEvent 1.0"),
            (b'"text"', "not a CloudEvent 1.0"),
            (b"{}", "id: Field required"),
            (b'{"specversion":"0.3","id":"1","source":"s","type":"t","data":{}}', "specversion"),
            (b'{"specversion":"1.0","id":"1","source":"s","type":"com.example.thing","data":{}}', "is not known"),
            (b'{"specversion":"1.0","id":"1","source":"s","type":"dev.taskgrove.task.ready.v1","data":{}}', "is not heard here"),
            (
                b'{"specversion":"1.0","id":"1","source":"s","type":"dev.taskgrove.task.verified.v2","data":{}}',
                "another version than this service, which knows v1",
            ),
            (b'{"specversion":"1.0","id":"1","source":"s","type":"dev.taskgrove.task.verified.v1","data":{}}', "runId: Field required"),
            (
                b'{"specversion":"1.0","id":"1","source":"s","type":"dev.taskgrove.task.verified.v1","data":{"runId":null,"verdicts":[]}}',
                "runId",
            ),
            (b'{"specversion":"1.0","id":"","source":"s","type":"dev.taskgrove.task.verified.v1","data":{}}', "id"),
            (b'{"specversion":"1.0","id":"1","source":"s","type":"dev.taskgrove.task.verified.v1"}', "data"),
            (b"[" * 5_000 + b"]" * 5_000, "not JSON"),
            (b'{"a":' * 600 + b"1" + b"}" * 600, "not a CloudEvent 1.0"),
        ],
        ids=lambda value: repr(value)[:60],
    )
    async def test_it_is_kept_with_its_reason_and_acked(self, stage: Stage, body: bytes, reason: str) -> None:
        handler = Handler()
        await stage.hear({TaskVerified: handler})
        await stage.send_raw(body, message_id="m1")
        await until(lambda: stage.unacked() == 0)
        (kept,) = await stage.quarantined()
        assert reason in kept["reason"]
        assert (kept["service"], kept["routing_key"], kept["message_id"], kept["count"]) == ("sequencer", "task.verified", "m1", 1)
        assert handler.batches == []

    @pytest.mark.parametrize("filler", [b" ", b"\xff"], ids=["text", "no text"])
    async def test_what_is_too_large_is_not_even_read_and_kept_in_part(self, stage: Stage, filler: bytes) -> None:
        handler = Handler()
        await stage.hear({TaskVerified: handler})
        body = encode([verified(1)], service="test").body + filler * MOST_BYTES
        await stage.send_raw(body)
        await until(lambda: stage.unacked() == 0)
        (kept,) = await stage.quarantined()
        assert f"more than the {MOST_BYTES}" in kept["reason"]
        assert kept["body_bytes"] == len(body)
        assert len(kept["body"].encode()) <= MOST_BYTES
        assert handler.batches == []

    async def test_the_good_events_of_a_bad_message_are_handled(self, stage: Stage) -> None:
        handler = Handler()
        await stage.hear({TaskVerified: handler})
        good = encode([verified(1), verified(2)], service="test").body
        await stage.send_raw(good[:-1] + b',{"no":"event"},7]')
        await until(lambda: stage.unacked() == 0)
        assert handler.events() == [verified(1), verified(2)]
        assert [kept["body"] for kept in await stage.quarantined()] == ["7", '{"no":"event"}']

    async def test_the_same_poison_again_only_raises_its_count(self, stage: Stage) -> None:
        await stage.hear({TaskVerified: Handler()})
        for _ in range(3):
            await stage.send_raw(b"poison", message_id="m1")
        await stage.send_raw(b"poison", message_id="m2")
        await until(lambda: stage.unacked() == 0)
        assert sorted((kept["message_id"], kept["count"]) for kept in await stage.quarantined()) == [("m1", 3), ("m2", 1)]

    async def test_its_headers_are_kept(self, stage: Stage) -> None:
        await stage.hear({TaskVerified: Handler()})
        await stage.send(Message("task.verified", b"poison", "m", "text/plain", headers={"a.b$c\0": "x" * 5_000, "traceparent": "00-1"}))
        await until(lambda: stage.unacked() == 0)
        (kept,) = await stage.quarantined()
        assert "traceparent: 00-1" in kept["headers"]


class TestDrain:
    async def test_it_lets_what_runs_end_and_takes_nothing_new(self, stage: Stage) -> None:
        handler = Handler()
        handler.gate.clear()
        consumer = await stage.hear({TaskVerified: handler})
        await stage.send([verified(1)])
        await until(lambda: handler.running)
        draining = asyncio.create_task(consumer.drain(5))
        await asyncio.sleep(0.01)
        await stage.send([verified(2)])
        assert not draining.done()
        handler.gate.set()
        await draining
        assert handler.events() == [verified(1)]
        assert len(stage.exchange._queues["taskgrove.sequencer"].waiting) == 1  # noqa: SLF001

    async def test_what_does_not_end_in_time_is_left_for_another(self, stage: Stage) -> None:
        handler = Handler()
        handler.gate.clear()
        consumer = await stage.hear({TaskVerified: handler})
        await stage.send([verified(1)])
        await until(lambda: handler.running)
        await asyncio.wait_for(consumer.drain(0.02), 2)
        assert handler.running == 0
        await stage.broker.stop()
        assert stage.unacked() == 1

    async def test_what_waits_for_the_store_is_left_for_another_at_once(self, stage: Stage) -> None:
        handler = Handler(bad=["r.1:1"], error=StoreUnavailable("no primary"), times=1_000_000)
        consumer = await stage.hear({TaskVerified: handler})
        await stage.send([verified(1)])
        await until(lambda: handler.batches)
        await asyncio.wait_for(consumer.drain(60), 5)
        await stage.broker.stop()
        assert stage.unacked() == 1

    async def test_poison_that_came_in_is_kept_first(self, stage: Stage) -> None:
        consumer = await stage.hear({TaskVerified: Handler()})
        await stage.send_raw(b"poison")
        await asyncio.sleep(0)
        await consumer.drain(5)
        assert len(await stage.quarantined()) == 1


class TestNames:
    @pytest.mark.parametrize("message_id", ["a/b", "a\nb", "a\0b", "ü", "%2F?#", "", "x" * 1_000])
    async def test_a_message_has_a_name_that_a_url_can_bear_whatever_its_id(self, stage: Stage, message_id: str) -> None:
        await stage.hear({TaskVerified: Handler()})
        for said in (message_id, f"{message_id}."):
            await stage.send(Message("task.verified", b"poison", said, "text/plain"))
        await until(lambda: stage.unacked() == 0)
        kept = await stage.quarantined()
        assert sorted(doc["message_id"] for doc in kept) == [message_id, f"{message_id}."], "two ids are two entries"
        assert all(re.fullmatch(r"sequencer:[\w.:@+=-]{1,255}:[0-9a-f]{16}", doc["_id"], re.ASCII) for doc in kept)
