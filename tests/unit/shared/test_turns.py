"""Turns: so many at once, by turns over runs, none lost to whoever gives up; and clocks that stand still meanwhile."""

import asyncio

import pytest

from shared.turns import Deadline, Stopwatch, Turns, timed_by


async def beats(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


class Work:
    """Takes turns, and notes who had one."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.order: list[str] = []
        self.at_once = self.most = 0
        self.gate = asyncio.Event()

    async def do(self, whose: str) -> None:
        async with self.turns.one(whose):
            self.order.append(whose)
            self.at_once += 1
            self.most = max(self.most, self.at_once)
            try:
                await self.gate.wait()
            finally:
                self.at_once -= 1

    def begin(self, *whose: str) -> "list[asyncio.Task[None]]":
        return [asyncio.create_task(self.do(one)) for one in whose]


async def test_so_many_at_once_and_a_small_run_does_not_wait_behind_a_big_one() -> None:
    work = Work(Turns(2))
    tasks = work.begin(*["big"] * 20, "small", "small")
    await beats()
    assert work.order == ["big", "big"]
    assert work.turns.waiting() == 20
    work.gate.set()
    await asyncio.gather(*tasks)
    assert work.most == 2
    assert work.order[:6] == ["big", "big", "big", "small", "big", "small"]
    assert work.turns.waiting() == 0


async def test_without_a_bound_all_go_at_once() -> None:
    work = Work(Turns(None))
    tasks = work.begin(*["a"] * 100)
    await beats()
    assert work.at_once == 100
    work.gate.set()
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("given", [False, True], ids=["before its turn", "just when it has it"])
async def test_whoever_gives_up_takes_no_turn_away(given: bool) -> None:
    work = Work(Turns(1))
    first, second, third = work.begin("a", "b", "c")
    await beats()
    if given:
        work.gate.set()
        await asyncio.sleep(0)
        while not first.done():
            await asyncio.sleep(0)
    second.cancel()
    work.gate.set()
    await asyncio.gather(first, third)
    with pytest.raises(asyncio.CancelledError):
        await second
    await asyncio.wait_for(work.do("d"), 1)


async def test_waiting_for_a_turn_counts_against_no_time() -> None:
    turns, watch = Turns(1), None
    gate = asyncio.Event()

    async def hold() -> None:
        async with turns.one("a"):
            await gate.wait()

    holding = asyncio.create_task(hold())
    await beats()
    asyncio.get_running_loop().call_later(0.25, gate.set)
    watch = Stopwatch()
    async with asyncio.timeout(0.1) as clock:
        with timed_by(Deadline(clock)), timed_by(watch):
            async with turns.one("b"):
                assert watch.passed() < 0.1
                left = (clock.when() or 0) - asyncio.get_running_loop().time()
                assert 0.05 < left <= 0.1
    await holding


async def test_what_takes_too_long_in_its_turn_does_count() -> None:
    async def slow() -> None:
        async with asyncio.timeout(0.05) as clock:
            with timed_by(Deadline(clock)):
                async with Turns(1).one("a"):
                    await asyncio.sleep(5)

    with pytest.raises(TimeoutError):
        await slow()


async def test_a_clock_that_two_stop_goes_on_when_both_let_it() -> None:
    async with asyncio.timeout(10) as clock:
        await asyncio.sleep(0)
        deadline = Deadline(clock)
        deadline.stop()
        deadline.stop()
        assert clock.when() is None
        deadline.go()
        assert clock.when() is None
        deadline.go()
        assert clock.when() is not None
