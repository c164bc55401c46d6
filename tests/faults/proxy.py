"""A TCP proxy as a process of its own, between the services and broker or store: slow, cut, half-open, and losing replies on demand.

In a test: `await rig.proxy.change("broker", latency=0.2)`; all that can be changed stands in `Weather`. `await rig.proxy.clear()` ends it
all. Each member of the store has a link of its own (`store-0`, …). Only connections of services are affected there: what the members say
to each other, and what the test itself asks, passes unharmed.
"""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from taskgrove.local.process import STOP_SECONDS, kill_group

CHUNK = 65_536
START_SECONDS = 15.0
BACKLOG = 200


@dataclass(frozen=True, slots=True)
class Weather:
    """What happens to a link now.

    `latency`: seconds each way. `cut`: connections end and none are taken. `swallow`: half-open, what is sent either way is taken and never
    arrives; such a connection ends with the swallowing. `lose`: so many requests that hold the bytes `match` (as latin-1) are passed on,
    and their reply is lost with the connection.
    """

    latency: float = 0.0
    cut: bool = False
    swallow: bool = False
    lose: int = 0
    match: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """From a port to a port. `only`: bytes by which the first that a client sends tells whether it is affected; empty: all are."""

    listen: int
    upstream: int
    only: str = ""


class Proxy:
    """The process, as the test holds it."""

    def __init__(self, routes: Mapping[str, Route], *, log: Path) -> None:
        self._routes = routes
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Come back when it listens everywhere."""
        routes = json.dumps({name: asdict(route) for name, route in self._routes.items()})
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.faults.proxy", routes),
                cwd=Path(__file__).resolve().parents[2],
                env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        await self._answer()

    async def change(self, name: str, **weather: Any) -> None:
        """From now on the link is so; what is not named is fair."""
        await self._ask({"link": name, "weather": weather})

    async def clear(self) -> None:
        """Fair weather on all links."""
        for name in self._routes:
            await self.change(name)

    async def close_all(self, name: str) -> int:
        """End all connections of the link that are affected, as a reset does; how many."""
        return int((await self._ask({"link": name, "close": True}))["closed"])

    async def lost(self, name: str) -> int:
        """How many replies were lost on this link so far."""
        return int((await self._ask({"link": name}))["lost"])

    async def stop(self) -> None:
        """It ends when nobody tells it anything any more."""
        if self._process and self._process.stdin:
            self._process.stdin.close()
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await self._process.wait()
            finally:
                kill_group(self._process.pid)

    async def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process, "the proxy was not started"
        assert self._process.stdin, "the proxy was not started"
        async with self._turn:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            return await self._answer()

    async def _answer(self) -> dict[str, Any]:
        assert self._process, "the proxy was not started"
        assert self._process.stdout, "the proxy was not started"
        async with asyncio.timeout(START_SECONDS):
            line = await self._process.stdout.readline()
        assert line, f"the proxy ended; see {self._log}"
        answer: dict[str, Any] = json.loads(line)
        return answer


@dataclass
class Link:
    """One route in the process, its weather, and the connections through it."""

    route: Route
    weather: Weather = Weather()
    lost: int = 0
    affected: set["Wire"] = field(default_factory=set)

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection from its first bytes to its end."""
        first = await reader.read(CHUNK)
        is_affected = self.route.only.encode() in first
        if not first or (is_affected and self.weather.cut):
            writer.transport.abort()
            return
        try:
            upstream = await asyncio.open_connection("127.0.0.1", self.route.upstream)
        except OSError:
            writer.transport.abort()
            return
        wire = Wire(self, (reader, writer), upstream, is_affected=is_affected)
        if is_affected:
            self.affected.add(wire)
        try:
            await wire.run(first)
        finally:
            self.affected.discard(wire)

    def change(self, weather: Weather) -> None:
        """Another weather: what cannot live on in it ends."""
        for wire in list(self.affected):
            if weather.cut or (wire.swallowed and not weather.swallow):
                wire.abort()
        self.weather = weather

    def close_all(self) -> int:
        """Reset what is affected."""
        wires = list(self.affected)
        for wire in wires:
            wire.abort()
        return len(wires)


Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Wire:
    """One connection through a link."""

    def __init__(self, link: Link, client: Ends, server: Ends, *, is_affected: bool) -> None:
        self.swallowed = False
        self._link = link
        self._client = client
        self._server = server
        self._is_affected = is_affected
        self._loses = False

    async def run(self, first: bytes) -> None:
        """Both directions, until one of them ends."""
        up, down = (
            self._direction(self._client, self._server, seen=self._request, first=first),
            self._direction(self._server, self._client),
        )
        try:
            async with asyncio.TaskGroup() as group:
                for work in (*up, *down):
                    group.create_task(work)
        except* (OSError, EOFError):
            self.abort()

    def abort(self) -> None:
        """End it as a reset does."""
        for _, writer in (self._client, self._server):
            writer.transport.abort()

    def _direction(self, source: Ends, target: Ends, *, seen: Callable[[bytes], None] | None = None, first: bytes = b"") -> Any:
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(BACKLOG)
        return self._read(source[0], waiting, seen=seen, first=first), self._write(target[1], waiting, is_reply=seen is None)

    async def _read(
        self,
        reader: asyncio.StreamReader,
        waiting: asyncio.Queue[tuple[float, bytes]],
        *,
        seen: Callable[[bytes], None] | None,
        first: bytes,
    ) -> None:
        data = first or await reader.read(CHUNK)
        while data:
            if seen:
                seen(data)
            latency = self._link.weather.latency if self._is_affected else 0.0
            await waiting.put((asyncio.get_running_loop().time() + latency, data))
            data = await reader.read(CHUNK)
        raise EOFError

    async def _write(self, writer: asyncio.StreamWriter, waiting: asyncio.Queue[tuple[float, bytes]], *, is_reply: bool) -> None:
        while True:
            due, data = await waiting.get()
            if (pause := due - asyncio.get_running_loop().time()) > 0:
                await asyncio.sleep(pause)
            if is_reply and self._loses:
                self._link.lost += 1
                raise EOFError
            if self._is_affected and (self._link.weather.swallow or self.swallowed):
                self.swallowed = True
                continue
            writer.write(data)
            await writer.drain()

    def _request(self, data: bytes) -> None:
        weather = self._link.weather
        if self._is_affected and weather.lose and weather.match.encode("latin-1") in data:
            self._loses = True
            self._link.weather = replace(weather, lose=weather.lose - 1)


async def serve(routes: Mapping[str, Route]) -> None:
    """Listen on all routes and do as standard input says, line by line, until it ends."""
    links = {name: Link(route) for name, route in routes.items()}
    servers = [await asyncio.start_server(link.take, "127.0.0.1", link.route.listen) for link in links.values()]
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(partial(asyncio.StreamReaderProtocol, reader), sys.stdin)
    _say({"listens": len(servers)})
    while line := await reader.readline():
        request = json.loads(line)
        link = links[request["link"]]
        if "weather" in request:
            link.change(Weather(**request["weather"]))
        _say({"closed": link.close_all() if request.get("close") else 0, "lost": link.lost})


def _say(answer: Mapping[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    import uvloop

    uvloop.run(serve({name: Route(**route) for name, route in json.loads(sys.argv[1]).items()}))
