"""The output of a process, kept within bounds: its head and its tail, and line by line while it runs."""

import asyncio
from collections.abc import Callable

from shared.sandbox.pipe import Pipe

LINE = 16 * 1024
READ = 2**16
MOST_LINES = 5_000
"""Each that is handed on costs the event loop some ten microseconds, an empty one as much as a long one."""
FLOOD_PAUSE = 0.001  # slows a process that writes without end, so that it cannot take the event loop with it


class Capture:
    """Keeps the first and the last half of `most` bytes; hands on complete lines until so many bytes, or MOST_LINES, were handed on."""

    def __init__(self, most: int, on_line: Callable[[str], None] | None) -> None:
        self.total = 0
        self._half = max(most // 2, 1)
        self._head = bytearray()
        self._tail = bytearray()
        self._line = bytearray()
        self._on_line = on_line
        self._live = most
        self._lines = MOST_LINES

    async def read(self, pipe: Pipe) -> None:
        """Take all there is, until every writer has closed its end."""
        while chunk := await pipe.read(READ):
            self.feed(chunk)
            await asyncio.sleep(FLOOD_PAUSE if self._flooded else 0)  # a pipe that is never empty lets nobody else have a turn
        self._last_line()

    def feed(self, chunk: bytes) -> None:
        """Take what just came."""
        self.total += len(chunk)
        room = self._half - len(self._head)
        self._head += chunk[:room]
        self._tail += chunk[max(room, 0) :]
        if len(self._tail) > self._half:
            del self._tail[: -self._half]
        if self._on_line:
            self._hand_on(chunk)

    @property
    def truncated(self) -> bool:
        """Whether something was left out."""
        return self.total > len(self._head) + len(self._tail)

    @property
    def _flooded(self) -> bool:
        return self.total > 2 * self._half

    def text(self) -> str:
        """What was kept, with a line in place of what was not."""
        left_out = self.total - len(self._head) - len(self._tail)
        if not left_out:
            return (self._head + self._tail).decode(errors="replace")
        return f"{self._head.decode(errors='replace')}\n[… {left_out} bytes left out …]\n{self._tail.decode(errors='replace')}"

    def _hand_on(self, chunk: bytes) -> None:
        if self._live <= 0 or self._lines <= 0:
            return
        self._live -= len(chunk)
        *complete, rest = chunk.split(b"\n", self._lines)
        self._lines -= len(complete)
        for part in complete:
            self._extend(part)
            self._emit()
        if self._lines > 0:
            self._extend(rest)
        if self._live <= 0 or self._lines <= 0:
            self._last_line()
            self._say("[… so much output that the rest is not shown live …]")

    def _extend(self, part: bytes) -> None:
        self._line += part[: LINE + 1 - len(self._line)]

    def _emit(self) -> None:
        cut = " […]" if len(self._line) > LINE else ""
        self._say(self._line[:LINE].decode(errors="replace").rstrip("\r") + cut)
        self._line.clear()

    def _last_line(self) -> None:
        if self._line:
            self._emit()

    def _say(self, line: str) -> None:
        if self._on_line:
            self._on_line(line)
