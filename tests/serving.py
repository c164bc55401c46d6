"""TCP servers inside a test: whatever happens, when the block ends no connection of theirs is left to the garbage collector."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[object]]


@asynccontextmanager
async def served(handle: Handle, port: int = 0) -> AsyncIterator[int]:
    """Listen on this machine, and serve each connection so; the port. Connections that are open at the end are ended.

    One that was left open warns when it is collected, which is in some later test, and that one fails.
    """
    serving: set[asyncio.Task[object]] = set()
    writers: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handle(reader, writer)
        finally:
            writer.close()

    def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        serving.add(asyncio.create_task(serve(reader, writer)))

    server = await asyncio.start_server(take, "127.0.0.1", port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in serving:
            task.cancel()
        for writer in writers:
            writer.transport.abort()
        ended = await asyncio.gather(*serving, *(writer.wait_closed() for writer in writers), return_exceptions=True)
        await server.wait_closed()
        # That the other side hung up is no mistake of the server; what it stumbled over is.
        assert [one for one in ended if isinstance(one, Exception) and not isinstance(one, (OSError, EOFError))] == []
