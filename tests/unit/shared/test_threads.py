"""Calls in threads: what does not come back keeps its thread, and neither the process nor whoever waits for one."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest

from shared.errors import AgentFailed
from shared.sandbox import Threads
from shared.turns import Deadline, timed_by


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What hangs, hangs until it opens."""
    gate = threading.Event()
    yield gate
    gate.set()


async def test_gives_back_and_raises_what_the_function_does_in_a_thread_of_that_name() -> None:
    threads = Threads(1)
    assert await threads.call(lambda: threading.current_thread().name, whose="run", name="add") == "function add"
    with pytest.raises(ZeroDivisionError):
        await threads.call(lambda: 1 / 0, whose="run", name="divide")
    with pytest.raises(AgentFailed, match=r"sys\.exit\('why'\)"):
        await threads.call(partial(sys.exit, "why"), whose="run", name="leave")


async def test_what_does_not_come_back_keeps_its_turn_until_it_does(gate: threading.Event) -> None:
    threads = Threads(2)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await threads.call(gate.wait, whose="run", name="hang")
    holding = asyncio.create_task(threads.call(partial(time.sleep, 0.1), whose="run", name="rest"))
    await asyncio.sleep(0)
    began = time.monotonic()
    async with asyncio.timeout(0.05) as clock:
        with timed_by(Deadline(clock)):  # waiting for a turn does not count
            await threads.call(int, whose="run", name="int")
    assert time.monotonic() - began > 0.08, "one thread is held by what hangs"
    await holding
    gate.set()
    await asyncio.sleep(0.05)
    began = time.monotonic()
    await asyncio.gather(*(threads.call(partial(time.sleep, 0.1), whose="run", name="rest") for _ in range(2)))
    assert time.monotonic() - began < 0.19


async def test_where_all_threads_hang_nobody_waits_for_one(gate: threading.Event) -> None:
    threads = Threads(1)
    hanging = asyncio.create_task(threads.call(gate.wait, whose="run", name="hang"))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(threads.call(int, whose="run", name="int"))
    await asyncio.sleep(0.02)
    assert not waiting.done()
    hanging.cancel()
    for call in (waiting, threads.call(int, whose="run", name="int")):
        with pytest.raises(AgentFailed, match=r"pool=True.*restart") as failed:
            await asyncio.wait_for(call, 1)
        assert failed.value.code == "threads_stuck"
    gate.set()
    await asyncio.sleep(0.05)
    assert await threads.call(int, whose="run", name="int") == 0


def test_a_process_ends_although_a_function_hangs() -> None:
    program = """
import asyncio, time
from functools import partial
from shared.sandbox import Threads
async def main():
    try:
        async with asyncio.timeout(0.05):
            await Threads(1).call(partial(time.sleep, 60), whose="run", name="hang")
    except TimeoutError:
        print("left")
asyncio.run(main())
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=True)
    assert ended.stdout == "left\n"
