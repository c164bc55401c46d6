"""What every service serves: /livez (the process), /readyz (broker and store answer), /metrics. Plain ASGI: it costs no start-up time."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager, suppress
from math import ceil
from typing import Any

import orjson
import uvicorn
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from shared.bell import Bell
from shared.errors import BadInput

TICK_SECONDS = 1.0

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def with_health(app: App | None, *, ready: Callable[[], list[str]], registry: CollectorRegistry) -> App:
    """`app` with the three paths in front of it. `ready` names what is missing; nothing missing is ready.

    Who asks a service that is not ready is told to come on another connection next time: it may lead to a replica that stays.
    """

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path") if scope["type"] == "http" else None
        send = _parting(send) if ready() else send
        if path == "/livez":
            await _answer(send, 200, {"alive": True})
        elif path == "/readyz":
            missing = ready()
            await _answer(send, 503 if missing else 200, {"ready": not missing, "missing": missing})
        elif path == "/metrics" and not _by_proxy(scope):
            await _send(send, 200, generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
        elif app is not None:
            await app(scope, receive, send)
        elif scope["type"] == "http":
            await _answer(send, 404, {"title": "Not found", "detail": "served here: /livez, /readyz, /metrics"})

    return serve


def _parting(send: Send) -> Send:
    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
        await send(message)

    return sending


def _by_proxy(scope: Scope) -> bool:
    """Whether a proxy passed it on. Metrics ask nobody who they are: they are for who reaches the port itself."""
    return any(name in (b"x-forwarded-for", b"forwarded", b"x-real-ip") for name, _ in scope["headers"])


class Server(uvicorn.Server):
    """uvicorn inside our loop; signals are the service's business, not its. Raises BadInput when the address is taken."""

    def __init__(self, app: App, *, host: str, port: int, way_out: str = "set TASKGROVE_HTTP_PORT to a free port") -> None:
        """`way_out`: how whoever started it takes another port."""
        super().__init__(
            uvicorn.Config(
                app, host=host, port=port, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=5, ws="none"
            )
        )
        self._leaving = Bell()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._listener = socket.create_server((host, port), family=family, backlog=2_048)
        except OSError as error:
            raise BadInput(f"cannot listen on {host}:{port} ({error.strerror}); {way_out}") from error

    async def listen(self) -> None:
        """Serve until `should_exit`."""
        await self.serve([self._listener])

    def leave(self, seconds: float) -> None:
        """Take no connection any more; what is being answered has `seconds`, in whole ones, to its end."""
        self.config.timeout_graceful_shutdown = ceil(seconds)
        self.should_exit = True
        self._leaving.ring()

    async def main_loop(self) -> None:
        """uvicorn's, which looks ten times a second whether it shall end, woken instead; the date in its answers is of this second."""
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._leaving.rung(), TICK_SECONDS)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None: SIGTERM drains the service, and that stops this server."""
        yield

    def port(self) -> int:
        """The port that it really listens on."""
        return int(self._listener.getsockname()[1])


async def _answer(send: Send, status: int, body: dict[str, Any]) -> None:
    await _send(send, status, orjson.dumps(body), content_type="application/json")


async def _send(send: Send, status: int, body: bytes, *, content_type: str) -> None:
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
