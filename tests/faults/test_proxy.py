"""The proxy does to a connection what it is told to, and nothing to the others."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from taskgrove.local.ports import assign
from tests.faults.proxy import Proxy, Route

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
    writer.close()


@pytest.fixture
async def ports(tmp_path: Path) -> AsyncIterator[tuple[Proxy, int]]:
    """A proxy before a server that says everything back."""
    ports = assign(["proxy", "server"], kept={})
    proxy = Proxy({"link": Route(ports["proxy"], ports["server"], only="mine")}, log=tmp_path / "log")
    async with await asyncio.start_server(_echo, "127.0.0.1", ports["server"]):
        await proxy.start()
        try:
            yield proxy, ports["proxy"]
        finally:
            await proxy.stop()


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Ends]:
    """A connection through the proxy."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def said(ends: Ends, line: bytes, *, within: float = 5.0) -> bytes:
    """What comes back; nothing, if the connection ends."""
    ends[1].write(line + b"\n")
    try:
        async with asyncio.timeout(within):
            return (await ends[0].readline()).rstrip()
    except ConnectionError:
        return b""


async def test_fair_weather_lets_all_through(ports: tuple[Proxy, int]) -> None:
    async with connected(ports[1]) as mine:
        assert await said(mine, b"mine") == b"mine"
        assert await said(mine, b"x" * 50_000) == b"x" * 50_000


async def test_latency_is_added_each_way(ports: tuple[Proxy, int]) -> None:
    await ports[0].change("link", latency=0.2)
    async with connected(ports[1]) as mine:
        began = time.monotonic()
        await said(mine, b"mine")
        assert time.monotonic() - began >= 0.4


async def test_what_is_cut_ends_and_others_go_on(ports: tuple[Proxy, int]) -> None:
    async with connected(ports[1]) as mine, connected(ports[1]) as other:
        await said(mine, b"mine")
        await said(other, b"other")
        await ports[0].change("link", cut=True)
        assert await said(mine, b"again") == b""
        assert await said(other, b"again") == b"again"
        async with connected(ports[1]) as late:
            assert await said(late, b"mine") == b""


async def test_what_is_swallowed_never_comes_and_its_connection_ends_with_the_swallowing(ports: tuple[Proxy, int]) -> None:
    async with connected(ports[1]) as mine:
        await said(mine, b"mine")
        await ports[0].change("link", swallow=True)
        with pytest.raises(TimeoutError):
            await said(mine, b"gone", within=0.3)
        await ports[0].clear()
        assert await said(mine, b"late") == b""


async def test_a_lost_reply_was_asked_for_and_takes_its_connection_with_it(ports: tuple[Proxy, int]) -> None:
    await ports[0].change("link", lose=1, match="write")
    async with connected(ports[1]) as mine:
        assert await said(mine, b"mine, read") == b"mine, read"
        assert await said(mine, b"write") == b""
    assert await ports[0].lost("link") == 1
    async with connected(ports[1]) as mine:
        assert await said(mine, b"mine, write") == b"mine, write"


async def test_all_can_be_closed_at_once(ports: tuple[Proxy, int]) -> None:
    async with connected(ports[1]) as mine, connected(ports[1]) as other:
        await said(mine, b"mine")
        await said(other, b"other")
        assert await ports[0].close_all("link") == 1
        assert await said(mine, b"again") == b""
        assert await said(other, b"again") == b"again"
