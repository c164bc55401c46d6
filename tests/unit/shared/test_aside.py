"""What is much is done aside, or in steps: others go on meanwhile."""

import asyncio
import threading

from shared.aside import LARGE, STEP, aside, in_steps


async def test_much_is_done_in_a_thread_and_little_where_it_is() -> None:
    here = threading.get_ident()
    assert await aside(threading.get_ident, size=LARGE) == here
    assert await aside(threading.get_ident, size=LARGE + 1) != here


async def test_between_steps_others_have_their_turn() -> None:
    seen: list[int] = []
    done: list[int] = []

    async def other() -> None:
        while len(done) < 3 * STEP:
            seen.append(len(done))
            await asyncio.sleep(0)

    watching = asyncio.create_task(other())
    await asyncio.sleep(0)
    async for item in in_steps(range(3 * STEP)):
        done.append(item)  # noqa: PERF401 (one by one: that is what is watched)
    await watching
    assert done == list(range(3 * STEP))
    assert seen == [0, STEP, 2 * STEP]
