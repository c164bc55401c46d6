"""Calls in processes that can be killed: one at a time in each, and none of them stuck for good."""

import asyncio
import operator
import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path

import pytest

from shared.sandbox import Pool


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool(1)
    yield pool
    pool.close()


async def test_gives_back_and_raises_what_the_function_does(pool: Pool) -> None:
    assert await pool.call(partial(operator.add, 1, 2)) == 3
    with pytest.raises(ZeroDivisionError):
        await pool.call(partial(operator.truediv, 1, 0))
    assert await pool.call(os.getpid) == await pool.call(os.getpid), "an error of the function does not cost the process"


async def test_what_does_not_come_back_is_killed(pool: Pool) -> None:
    stuck = await pool.call(os.getpid)
    with pytest.raises(TimeoutError):
        await pool.call(partial(time.sleep, 60), seconds=0.2)
    assert await pool.call(partial(operator.add, 1, 2)) == 3
    assert not _running(stuck)


async def test_a_cancelled_call_is_killed(pool: Pool) -> None:
    worker = await pool.call(os.getpid)
    call = asyncio.create_task(pool.call(partial(time.sleep, 60)))
    await asyncio.sleep(0.1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await asyncio.sleep(0.1)
    assert not _running(worker)


async def test_a_dead_process_is_replaced(pool: Pool) -> None:
    with pytest.raises(BrokenProcessPool):
        await pool.call(partial(os._exit, 3))
    assert await pool.call(partial(operator.add, 1, 2)) == 3


async def test_workers_ignore_the_ctrl_c_that_is_meant_for_the_service(pool: Pool) -> None:
    worker = await pool.call(os.getpid)
    os.kill(worker, signal.SIGINT)
    assert await pool.call(os.getpid) == worker


async def test_workers_do_not_outlive_a_killed_service() -> None:
    program = """
import asyncio, os, time
from functools import partial
from shared.sandbox import Pool
async def main():
    pool = Pool(1)
    print(await pool.call(os.getpid), flush=True)
    await pool.call(partial(time.sleep, 60))
if __name__ == "__main__":
    asyncio.run(main())
"""
    service = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    assert service.stdout
    worker = int(await service.stdout.readline())
    service.kill()
    await service.wait()
    for _ in range(40):
        if not _running(worker):
            return
        await asyncio.sleep(0.05)
    pytest.fail("the worker is still there")


def _running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
