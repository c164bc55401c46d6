"""Two runs at once: a small one ends soon beside a big one; and queues that are always full cost time, and no task."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from shared.messaging.port import Broker, Delivery, Message, Queue
from tests.integration.conftest import Open
from tests.integration.house import House, Parts

GOOD = {"kind": "schema", "schema": {"type": "object", "minProperties": 1}}


def fan(width: int, *, call: str = "echo", **args: Any) -> list[dict[str, Any]]:
    """Tasks side by side, joined by one."""
    task = {"agent": "python", "inputs": {"call": call, "args": args or {"ok": True}}, "checks": [GOOD]}
    names = [f"t{number}" for number in range(width)]
    return [*({"key": name, "title": name, **task} for name in names), {"key": "join", "title": "join", "after": names, **task}]


class TestBeside:
    """One executor with few slots: what waits for them is what a big run is made of."""

    @pytest.fixture
    async def house(self, open_house: Open) -> AsyncIterator[House]:
        async with open_house(TASKGROVE_EXECUTOR_WAITING_SLOTS="4") as house:
            yield house

    async def test_a_small_run_ends_long_before_a_big_one_that_came_first(self, house: House) -> None:
        big = await house.submit(fan(300, call="sleep", seconds=0.05))
        await house.when(big, "t20", "completed", seconds=60)
        small = await house.submit(fan(4, call="sleep", seconds=0.05))
        assert await house.ended(small, seconds=30) == "completed"
        left = len(await house.docs("tasks", run_id=big, open=True))
        assert left > 100, "it waited for all of the big one"
        assert await house.ended(big, seconds=120) == "completed"
        await house.assert_sound(big)

    async def test_an_urgent_run_goes_before_one_that_is_not_and_that_one_goes_on(self, house: House) -> None:
        patient = await house.submit(fan(300, call="sleep", seconds=0.05), priority=0)
        await house.when(patient, "t2", "completed", seconds=60)
        urgent = await house.submit(fan(60, call="sleep", seconds=0.05), priority=9)
        assert await house.ended(urgent, seconds=60) == "completed"
        assert await house.ended(patient, seconds=120) == "completed"
        assert {task["priority"] for task in (await house.tasks(patient)).values()} == {0}
        begun = [doc["run_id"] for doc in sorted(await house.docs("attempts"), key=lambda doc: doc["claimed_at"])]
        of_urgent = [place for place, run in enumerate(begun) if run == urgent][:60]
        between = begun[of_urgent[0] : of_urgent[-1]].count(patient)
        assert 4 <= between <= 12, f"one slot of ten, and those that were taken just then; it had {between} of the time of the other's 60"

    async def test_a_run_with_a_cap_has_no_more_at_once_over_two_executors(self, house: House) -> None:
        await house.start("executor")
        run = await house.submit(fan(12, call="sleep", seconds=0.05), concurrency=2)
        executors = [one.service.deps.workers for one in house.running if one.ground.name == "executor"]
        assert len(executors) == 2
        most = 0
        await house.until(lambda: house.docs("tasks", _id=run))
        while await house.docs("tasks", _id=run, open=True):
            most = max(most, sum(name.startswith(f"{run}.") for one in executors for name in one.running))
            await asyncio.sleep(0.002)
        assert most == 2
        await house.assert_sound(run)


@dataclass
class Narrow:
    """A broker whose queues have room for few messages."""

    inner: Broker
    most: int
    refused: list[int]

    async def start(self, queues: Sequence[Queue]) -> None:
        await self.inner.start([queue if queue.dead else replace(queue, most=self.most) for queue in queues])

    async def publish(self, messages: Sequence[Message]) -> None:
        try:
            await self.inner.publish(messages)
        except BaseException:
            self.refused[0] += 1
            raise

    async def consume(self, queue: str, receive: Callable[[Delivery], None], *, prefetch: int) -> None:
        await self.inner.consume(queue, receive, prefetch=min(prefetch, self.most))

    async def cancel(self, queue: str) -> None:
        await self.inner.cancel(queue)

    def connected(self) -> bool:
        return self.inner.connected()

    async def stop(self) -> None:
        await self.inner.stop()


async def test_where_every_queue_is_full_all_is_done_all_the_same(open_house: Open) -> None:
    refused = [0]

    def narrow(parts: Parts) -> Parts:
        return replace(parts, broker=lambda name: Narrow(parts.broker(name), 3, refused))

    async with open_house(wrap=narrow) as house:
        hurrying = asyncio.create_task(house.hurry())
        runs = [await house.submit(fan(100)) for _ in range(3)]
        for run in runs:
            assert await house.ended(run, seconds=120) == "completed"
        hurrying.cancel()
        for run in runs:
            await house.assert_sound(run)
        assert refused[0], "no queue was ever full"
