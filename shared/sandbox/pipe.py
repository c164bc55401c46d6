"""A program's output as a pipe that we read ourselves: uvloop closes the number of a pipe that it is given twice.

Between the two, another thread may have been given the number, and its file, socket or look into a directory is closed in its place.
"""

import asyncio
import os
from typing import Self


class Pipe:
    """The end that is read. It takes only when asked to, so that a program that writes too much has to wait."""

    def __init__(self) -> None:
        self._read_end, self.write_end = os.pipe()
        os.set_blocking(self._read_end, False)
        self._wakes: asyncio.Event | None = None
        self._is_open = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._is_open = False
        if self._wakes:
            self._wakes.set()
            self._unwatch()
        os.close(self._read_end)

    async def read(self, most: int) -> bytes:
        """What is there, at most so much; waits until there is something. Empty once every writer has closed its end, or we ours."""
        while self._is_open:
            try:
                return os.read(self._read_end, most)
            except BlockingIOError:
                await self._readable()
        return b""

    async def _readable(self) -> None:
        self._wakes = wakes = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._read_end, wakes.set)
        try:
            await wakes.wait()
        finally:
            self._unwatch()

    def _unwatch(self) -> None:
        """Once: after our end is closed its number may be somebody else's."""
        if self._wakes:
            self._wakes = None
            asyncio.get_running_loop().remove_reader(self._read_end)
