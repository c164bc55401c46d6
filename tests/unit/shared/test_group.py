"""Group commit: a lone item at once, a storm together, and one error for exactly those who waited for it."""

import asyncio
from collections.abc import Sequence

import pytest

from shared.errors import BadInput, Unavailable
from shared.storage.group import ENOUGH, GroupCommit


class Writer:
    """Keeps what it was given, as slowly as the test says."""

    def __init__(self) -> None:
        self.flushed: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: BaseException | None = None
        self.at_once = 0

    async def __call__(self, items: Sequence[int]) -> None:
        self.at_once += 1
        assert self.at_once == 1, "one flush at a time"
        self.flushed.append(list(items))
        try:
            await self.gate.wait()
            if self.error:
                raise self.error
        finally:
            self.at_once -= 1


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_lone_item_goes_at_once() -> None:
    writer = Writer()
    await GroupCommit(writer)([1])
    assert writer.flushed == [[1]]


async def test_nothing_is_not_flushed() -> None:
    writer = Writer()
    await GroupCommit(writer)([])
    assert writer.flushed == []


async def test_a_storm_goes_together_in_order_and_in_parts() -> None:
    writer = Writer()
    writer.gate.clear()
    group = GroupCommit(writer, most=100)
    first = asyncio.create_task(group([0]))
    await turns()
    rest = [asyncio.create_task(group([n])) for n in range(1, 251)]
    await turns()
    assert writer.flushed == [[0]]
    assert not first.done()
    writer.gate.set()
    await asyncio.gather(first, *rest)
    assert [len(items) for items in writer.flushed] == [1, 100, 100, 50]
    assert [n for items in writer.flushed for n in items] == list(range(251))


async def test_what_came_together_stays_together() -> None:
    writer = Writer()
    await GroupCommit(writer, most=2)([1, 2, 3])
    assert writer.flushed == [[1, 2, 3]]


async def test_an_error_reaches_all_who_waited_for_that_flush_and_nobody_else() -> None:
    writer = Writer()
    writer.gate.clear()
    group = GroupCommit(writer, most=2)
    waiters = [asyncio.create_task(group([0]))]
    await turns()
    waiters += [asyncio.create_task(group([n])) for n in (1, 2)]
    await turns()
    writer.error = ValueError("disk full")
    writer.gate.set()
    outcomes = await asyncio.gather(*waiters, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ValueError] * 3
    writer.error = None
    await group([9])
    assert writer.flushed[-1] == [9]


async def test_a_waiter_that_is_cancelled_harms_no_other() -> None:
    writer = Writer()
    writer.gate.clear()
    group = GroupCommit(writer)
    first = asyncio.create_task(group([0]))
    await turns()
    gone, stays = asyncio.create_task(group([1])), asyncio.create_task(group([2]))
    await turns()
    first.cancel()
    gone.cancel()
    await turns()
    writer.gate.set()
    await stays
    assert first.cancelled()
    assert gone.cancelled()
    assert writer.flushed == [[0], [1, 2]]


async def test_a_flush_that_was_given_up_cancels_nobody_who_did_not_ask() -> None:
    writer = Writer()
    writer.error = asyncio.CancelledError()
    with pytest.raises(Unavailable, match="its result is not known"):
        await GroupCommit(writer)([1])


async def test_what_cannot_be_written_harms_no_neighbour() -> None:
    flushed: list[list[int]] = []
    gate = asyncio.Event()

    async def flush(items: Sequence[int]) -> None:
        await gate.wait()
        flushed.append(list(items))
        if bad := [item for item in items if item < 0]:
            raise BadInput(f"{bad}")

    group = GroupCommit(flush)
    first = asyncio.create_task(group([0]))
    await turns()
    rest = [asyncio.create_task(group(items)) for items in ([1, 2], [-3], [4])]
    await turns()
    gate.set()
    outcomes = await asyncio.gather(first, *rest, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None), type(None), BadInput, type(None)]
    assert flushed == [[0], [1, 2, -3, 4], [1, 2], [-3], [4]]


async def test_a_small_run_waits_for_one_flush_of_a_big_one_and_not_for_all() -> None:
    writer = Writer()
    writer.gate.clear()
    group = GroupCommit(writer, most=100)
    waiting = [asyncio.create_task(group([n], run="big")) for n in range(1_000)]
    await turns()
    waiting.append(asyncio.create_task(group([-1], run="small")))
    await turns()
    writer.gate.set()
    await asyncio.gather(*waiting)
    assert -1 in writer.flushed[1], "in the first flush that began after it came"
    assert {len(items) for items in writer.flushed[:-1]} == {100}
    assert [n for items in writer.flushed for n in items if n >= 0] == list(range(1_000))


async def test_who_is_patient_goes_with_others_and_soon() -> None:
    writer = Writer()
    group, loop = GroupCommit(writer), asyncio.get_running_loop()
    began = loop.time()
    await group([0], patience=0.3)
    assert loop.time() - began < 0.2, "nothing was flushed lately: it goes at once"
    waiting = [asyncio.create_task(group([n], patience=0.3)) for n in (1, 2)]
    await asyncio.sleep(0.05)
    assert writer.flushed == [[0]]
    await asyncio.gather(*waiting)
    assert 0.25 < loop.time() - began < 5
    assert writer.flushed == [[0], [1, 2]]


async def test_nobody_waits_for_those_who_are_patient() -> None:
    writer = Writer()
    group = GroupCommit(writer)
    await group([0], patience=60)
    patient = asyncio.create_task(group([1], patience=60))
    await turns()
    await asyncio.wait_for(group([2]), 5)
    await asyncio.wait_for(patient, 5)
    assert writer.flushed == [[0], [1, 2]]


async def test_where_enough_have_gathered_they_go() -> None:
    writer = Writer()
    group = GroupCommit(writer)
    await group([0], patience=60)
    async with asyncio.timeout(5):
        await asyncio.gather(*(group([n], patience=60) for n in range(1, ENOUGH + 1)))
    assert writer.flushed == [[0], list(range(1, ENOUGH + 1))]


async def test_whoever_comes_after_a_writer_was_cancelled_is_written() -> None:
    writer = Writer()
    group = GroupCommit(writer)
    await group([0], patience=60)
    lost = asyncio.create_task(group([1], patience=60))
    await turns()
    assert group._writer  # noqa: SLF001 (as the end of a loop does it)
    group._writer.cancel()  # noqa: SLF001
    await turns()
    await asyncio.wait_for(group([2]), 5)
    await asyncio.wait_for(lost, 5)
    assert writer.flushed == [[0], [1, 2]]
