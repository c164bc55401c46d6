"""HTTP for the client: one connection pool, errors by kind, patience with a service that starts again, and event streams that resume."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from shared.clock import full_jitter
from shared.errors import BadInput, Unavailable
from taskgrove.problems import error_of

SECONDS = 30.0
END = "end"
SILENCE_SECONDS = 45.0
"""An event stream that says nothing for this long, not even a comment, is taken for dead and opened again."""


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """One event of a stream: its place in it, its name (`task.completed`), and what it carries, camelCase."""

    id: str
    name: str
    data: dict[str, Any]


class Transport:
    """Requests to one Taskgrove. `patience`: seconds for which a request that may be repeated is tried again while nobody answers."""

    def __init__(self, url: str, *, key: str | None, patience: float, transport: httpx2.AsyncBaseTransport | None) -> None:
        # No header can carry it, and what comes of trying names neither the key nor where it is from.
        if key and not (key.isascii() and key.isprintable()):
            raise BadInput("the API key holds characters that no key has; copy it again, into TASKGROVE_KEY on the command line")
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self.url = url.rstrip("/")
        self._patience = patience
        # The proxies of the environment are not for a Taskgrove on this machine.
        local = httpx2.URL(url).host in ("127.0.0.1", "localhost", "::1")
        self._http = httpx2.AsyncClient(base_url=self.url, headers=headers, timeout=SECONDS, transport=transport, trust_env=not local)

    async def close(self) -> None:
        """Let the connections go."""
        await self._http.aclose()

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        again: bool | None = None,
    ) -> httpx2.Response:
        """The answer, which is no error. `again`: whether the request may be repeated; unless told, GETs may."""
        may_repeat = method == "GET" if again is None else again
        deadline = time.monotonic() + (self._patience if may_repeat else 0.0)
        tries = 0
        params = {name: value for name, value in (query or {}).items() if value is not None}
        while True:
            try:
                return await self._once(method, path, params=params, json=body, headers=headers)
            except Unavailable:
                tries += 1
                pause = 0.05 + full_jitter(tries, base=0.2, cap=3.0)
                if time.monotonic() + pause > deadline:
                    raise
                await asyncio.sleep(pause)

    async def _once(self, method: str, path: str, **request: Any) -> httpx2.Response:
        try:
            response = await self._http.request(method, path, **request)
        except (httpx2.TransportError, httpx2.InvalidURL) as error:
            raise self._silent(error) from error
        if response.is_error:
            raise error_of(response)
        return response

    async def events(self, path: str, *, last_event_id: str | None = None) -> AsyncIterator[LiveEvent | None]:
        """The stream until `end`, opened again where it broke. None: it was opened or broke; look at the state now."""
        last, failures, since = last_event_id, 0, time.monotonic()
        while True:
            opened = False
            try:
                headers = {"last-event-id": last} if last else {}
                async with self._http.sse(path, headers=headers, timeout=httpx2.Timeout(SECONDS, read=SILENCE_SECONDS)) as source:
                    await self._refuse(source.response)
                    opened = True
                    yield None
                    async for event in source:
                        failures = 0
                        last = event.id or last
                        if isinstance(data := event.json() if event.data else {}, dict):
                            yield LiveEvent(event.id, event.event, data)
                        if event.event == END:
                            return
            except (httpx2.TransportError, Unavailable) as error:
                if not opened and time.monotonic() - since > max(self._patience, SILENCE_SECONDS):
                    raise self._silent(error) from error
            since = time.monotonic() if opened else since  # it may have been open for hours without an event
            yield None
            failures += 1
            await asyncio.sleep(0.05 + full_jitter(failures, base=0.2, cap=5.0))

    async def _refuse(self, response: httpx2.Response) -> None:
        if response.is_error:
            await response.aread()
            raise error_of(response)

    def _silent(self, error: Exception) -> Unavailable:
        if isinstance(error, Unavailable):
            return error
        if isinstance(error, httpx2.TimeoutException) and not isinstance(error, httpx2.ConnectTimeout):
            return Unavailable(f"{self.url} did not answer within {SECONDS:.0f} s; look at it with `taskgrove status`, or try again")
        if isinstance(error, httpx2.RemoteProtocolError):
            return Unavailable(f"{self.url} broke off its answer; look at it with `taskgrove status`, or try again")
        return Unavailable(f"no Taskgrove answers at {self.url}; start one with `taskgrove up`, or name another (--api or TASKGROVE_API)")
