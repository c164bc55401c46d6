"""The pipe that a program's output comes through."""

import asyncio
import os
import threading
from collections.abc import Callable

import pytest
import uvloop

from shared.sandbox.pipe import Pipe

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]
MANY = 3_000

MakeLoop = Callable[[], asyncio.AbstractEventLoop]


@pytest.mark.parametrize("loop", LOOPS)
class TestPipe:
    def test_hands_over_what_is_written_and_then_its_end(self, loop: MakeLoop) -> None:
        async def exchange() -> list[bytes]:
            with Pipe() as pipe:
                first = asyncio.create_task(pipe.read(100))
                await asyncio.sleep(0)
                os.write(pipe.write_end, b"before and ")
                got = [await first]
                os.write(pipe.write_end, b"after")
                os.close(pipe.write_end)
                return [*got, await pipe.read(3), await pipe.read(100), await pipe.read(100)]

        with asyncio.Runner(loop_factory=loop) as runner:
            assert runner.run(exchange()) == [b"before and ", b"aft", b"er", b""]

    def test_who_still_reads_when_it_is_closed_is_let_go(self, loop: MakeLoop) -> None:
        async def closed() -> bytes:
            with Pipe() as pipe:
                reading = asyncio.create_task(pipe.read(100))
                await asyncio.sleep(0)
            os.close(pipe.write_end)
            async with asyncio.timeout(5):
                return await reading

        with asyncio.Runner(loop_factory=loop) as runner:
            assert runner.run(closed()) == b""

    def test_takes_only_what_is_asked_for(self, loop: MakeLoop) -> None:
        async def flooded() -> int:
            with Pipe() as pipe:
                os.set_blocking(pipe.write_end, False)
                await asyncio.sleep(0)
                written = os.write(pipe.write_end, bytes(2**22))
                assert len(await pipe.read(4_096)) == 4_096
                os.close(pipe.write_end)
                return written

        with asyncio.Runner(loop_factory=loop) as runner:
            assert runner.run(flooded()) < 2**22


def test_its_end_closes_nothing_that_another_thread_has_just_opened() -> None:
    """uvloop closes a pipe that it is given twice: `/proc` was closed while another thread read it, and a check that had passed failed."""
    broken: list[OSError] = []
    over = threading.Event()

    def opens_and_closes() -> None:
        while not over.is_set() and not broken:
            try:
                os.listdir("/proc/self/fd")  # noqa: PTH208 (only what it costs the kernel counts)
                os.close(os.open(os.devnull, os.O_RDONLY))
            except OSError as error:
                broken.append(error)

    async def closes() -> None:
        for _ in range(MANY):
            with Pipe() as pipe:
                reading = asyncio.create_task(pipe.read(1))
                os.close(pipe.write_end)
                await reading

    threads = [threading.Thread(target=opens_and_closes) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(closes())
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert broken == []
