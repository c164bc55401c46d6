"""Whoever waits is woken once, from whichever thread it rings."""

import asyncio
import threading

from shared.bell import Bell


async def test_what_rang_before_is_heard_at_once_and_once() -> None:
    bell = Bell()
    bell.ring()
    bell.ring()
    await asyncio.wait_for(bell.rung(), 1)
    waiting = asyncio.create_task(bell.rung())
    await asyncio.sleep(0.01)
    assert not waiting.done()
    bell.ring()
    await asyncio.wait_for(waiting, 1)


async def test_it_wakes_from_another_thread() -> None:
    bell = Bell()
    waiting = asyncio.create_task(bell.rung())
    await asyncio.sleep(0)
    thread = threading.Thread(target=bell.ring)
    thread.start()
    await asyncio.wait_for(waiting, 5)
    thread.join()


def test_a_loop_that_is_closed_is_not_disturbed() -> None:
    bell = Bell()
    bell.ring()
    asyncio.run(bell.rung())
    bell.ring()
    asyncio.run(asyncio.wait_for(bell.rung(), 1))


async def test_a_storm_from_a_thread_wakes_once() -> None:
    bell = Bell()
    waiting = asyncio.create_task(bell.rung())
    await asyncio.sleep(0)
    thread = threading.Thread(target=lambda: [bell.ring() for _ in range(10_000)])
    thread.start()
    thread.join()
    await asyncio.wait_for(waiting, 5)
    again = asyncio.create_task(bell.rung())
    await asyncio.sleep(0.01)
    assert not again.done()
    again.cancel()
