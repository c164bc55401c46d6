"""A wire between a client and a server that can be cut, held up, slow, or refuse: faults without root and without the server's help."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.serving import served


class Wire:
    """One listening port in front of another."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._writers: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.refuses = False
        self.lag = 0.0
        self.port = 0

    def cut(self) -> None:
        """Reset every connection that there is; new ones are taken."""
        for writer in list(self._writers):
            writer.transport.abort()

    def hold(self) -> None:
        """Let no byte through, either way, and tell nobody: a half-open connection."""
        self._flowing.clear()

    def release(self) -> None:
        self._flowing.set()

    def fail(self, *, hangs: bool) -> None:
        """Fail as a machine that hangs does, or as one whose server ended."""
        if hangs:
            self.hold()
        else:
            self.refuses = True
            self.cut()

    @asynccontextmanager
    async def laid(self) -> AsyncIterator["Wire"]:
        async with served(self._connected) as self.port:
            yield self
            self.release()
            self.cut()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuses:
            writer.transport.abort()
            return
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        self._writers |= {writer, far_writer}
        await asyncio.gather(self._carry(reader, far_writer), self._carry(far_reader, writer))
        self._writers -= {writer, far_writer}

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError):
                while data := await reader.read(65_536):
                    await self._flowing.wait()
                    await asyncio.sleep(self.lag)
                    writer.write(data)
                    await writer.drain()
        finally:
            writer.transport.abort()
