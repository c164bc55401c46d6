"""The event loop of the simulation: time that nobody waits for, an order that the seed decides, processes that die and stand still."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from random import Random
from typing import Any

import pytest

from tests.simulation.loop import Host, SimulationLoop, Stuck, host


def lived(main: Callable[[SimulationLoop], Awaitable[Any]], *, seed: int = 1) -> Any:
    loop = SimulationLoop(Random(seed))  # noqa: S311 (a seed, not a secret)
    try:
        return loop.run_until_complete(main(loop))
    finally:
        loop.close()


def begin(loop: SimulationLoop, owner: Host, coroutine: Any) -> "asyncio.Task[Any]":
    context = copy_context()
    context.run(host.set, owner)
    return loop.create_task(coroutine, context=context)


async def counts(into: list[str], name: str, *, seconds: float = 0.0) -> None:
    for number in range(3):
        await asyncio.sleep(seconds)
        into.append(f"{name}{number}")


def test_a_century_passes_at_once() -> None:
    async def main(loop: SimulationLoop) -> float:
        await asyncio.sleep(3_153_600_000)
        return loop.time()

    assert lived(main) == 3_153_600_000


def test_the_seed_decides_who_runs_next_and_each_process_keeps_its_order() -> None:
    async def main(loop: SimulationLoop) -> tuple[str, ...]:
        seen: list[str] = []
        await asyncio.gather(*(begin(loop, Host(name), counts(seen, name)) for name in "ab"))
        return tuple(seen)

    orders = {seed: lived(main, seed=seed) for seed in range(30)}
    assert orders == {seed: lived(main, seed=seed) for seed in range(30)}
    assert len(set(orders.values())) > 5
    for order in orders.values():
        for name in "ab":
            assert [one for one in order if one[0] == name] == [f"{name}{number}" for number in range(3)]


def test_within_a_process_first_come_is_first_served() -> None:
    async def main(_: SimulationLoop) -> list[int]:
        seen: list[int] = []
        await asyncio.gather(*(asyncio.to_thread(seen.append, number) for number in range(20)))
        return seen

    assert lived(main) == list(range(20))


def test_who_is_killed_does_nothing_more() -> None:
    async def main(loop: SimulationLoop) -> list[str]:
        seen: list[str] = []
        victim = Host("victim")
        begin(loop, victim, counts(seen, "v", seconds=1.0))
        await asyncio.sleep(1.5)
        loop.kill(victim)
        await asyncio.sleep(10)
        return seen

    assert lived(main) == ["v0"]


def test_who_stands_still_goes_on_later_where_it_stood() -> None:
    async def main(loop: SimulationLoop) -> list[str]:
        seen: list[str] = []
        sleeper = Host("sleeper")
        begin(loop, sleeper, counts(seen, "s", seconds=1.0))
        await asyncio.sleep(1.5)
        loop.pause(sleeper)
        await asyncio.sleep(10)
        assert seen == ["s0"]
        loop.resume(sleeper)
        await asyncio.sleep(1.5)
        return seen

    assert lived(main) == ["s0", "s1", "s2"]


def test_who_waits_for_what_never_comes_is_told() -> None:
    async def main(loop: SimulationLoop) -> None:
        await loop.create_future()

    with pytest.raises(Stuck, match="nothing can happen"):
        lived(main)
