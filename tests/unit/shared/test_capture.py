"""Output as it comes in: kept within bounds, handed on line by line within others, and never at the cost of all else on the loop."""

import asyncio
import os

import pytest

from shared.sandbox.capture import MOST_LINES, READ, Capture
from shared.sandbox.pipe import Pipe

CUT = "[… so much output that the rest is not shown live …]"


@pytest.mark.parametrize("chunk", [b"\n" * READ, b"short\n" * 1_000, b"three\nlines\nand a half"])
def test_very_many_lines_are_not_all_handed_on(chunk: bytes) -> None:
    lines: list[str] = []
    capture = Capture(10 * 2**20, lines.append)
    for _ in range(1 + 20_000 // chunk.count(b"\n")):
        capture.feed(chunk)
    capture.feed(b"last\n")
    assert len(lines) == MOST_LINES + 1
    assert lines.count(CUT) == 1
    assert lines[-1] == CUT
    assert not capture.truncated
    assert capture.text().endswith("last\n"), "the output itself has them"


class Full(Pipe):
    """There is always something in it, eight times."""

    reads = 0

    async def read(self, most: int) -> bytes:
        self.reads += 1
        return b"x" * most if self.reads <= 8 else b""


async def test_a_pipe_that_is_never_empty_leaves_turns_to_others() -> None:
    seen: list[int] = []

    async def others(full: Full) -> None:
        while True:
            seen.append(full.reads)
            await asyncio.sleep(0)

    with Full() as full:
        other = asyncio.create_task(others(full))
        await Capture(2**20, None).read(full)
        other.cancel()
        os.close(full.write_end)
    assert seen[:8] == [1, 2, 3, 4, 5, 6, 7, 8]
