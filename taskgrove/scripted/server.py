"""The scripted model behind HTTP on the loopback address, in a thread of its own: callers may block their loop or have none."""

import asyncio
import threading
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson

from shared.http import Receive, Scope, Send, Server
from taskgrove.scripted.replies import Answer, Player, failure
from taskgrove.scripted.script import Script

HOST = "127.0.0.1"
NOT_FOUND = 404
START_SECONDS = 10.0
LARGEST = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Received:
    """A request for a completion, and the status that it was answered with."""

    body: Mapping[str, Any]
    status: int


@dataclass
class ScriptedModel:
    """A scripted endpoint. `received` grows with every question."""

    script: Script
    received: list[Received] = field(default_factory=list)
    _server: Server | None = None
    _player: Player | None = None

    @property
    def url(self) -> str:
        """What TASKGROVE_MODEL_BASE_URL is set to."""
        return f"http://{HOST}:{self._server.port() if self._server else 0}/v1"

    @property
    def environment(self) -> dict[str, str]:
        """The settings that lead services here."""
        key = {} if self.script.key is None else {"TASKGROVE_MODEL_API_KEY": self.script.key}
        return {"TASKGROVE_MODEL_BASE_URL": self.url, "TASKGROVE_MODEL_NAME": self.script.model, **key}

    def play(self, script: Script) -> None:
        """From now on another script; what was received is forgotten."""
        self.script, self._player = script, Player(script)
        self.received.clear()

    def listen_on(self, port: int) -> Server:
        """Take the port (0: any free one). Raises BadInput when it is taken."""
        self._player = Player(self.script)

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            await self._serve(scope, receive, send)

        self._server = Server(serve, host=HOST, port=port, way_out="give another --port, or none for any free one")
        return self._server

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body, path = await _body(receive), (scope["method"], scope["path"])
        if path == ("POST", "/v1/chat/completions"):
            answer = self._completed(body, dict(scope["headers"]))
            await asyncio.sleep(answer.delay)
        elif path == ("GET", "/v1/models"):
            listed = {"object": "list", "data": [{"id": self.script.model, "object": "model", "created": 0, "owned_by": "script"}]}
            answer = Answer(200, orjson.dumps(listed), {})
        else:
            answer = failure(NOT_FOUND, f"served here: GET /v1/models, POST /v1/chat/completions; not {' '.join(path)}")
        await _send(send, answer)

    def _completed(self, body: bytes, headers: Mapping[bytes, bytes]) -> Answer:
        key = headers.get(b"authorization", b"").decode(errors="replace").removeprefix("Bearer ")
        player = self._player or Player(self.script)
        answer = player.answer(body, key=key)
        try:
            asked = orjson.loads(body)
        except orjson.JSONDecodeError:
            asked = {}
        self.received.append(Received(asked if isinstance(asked, dict) else {}, answer.status))
        return answer


@contextmanager
def scripted(script: Script, *, port: int = 0) -> Iterator[ScriptedModel]:
    """The scripted model while the block lasts. Raises BadInput when the port is taken."""
    model = ScriptedModel(script)
    server = model.listen_on(port)
    thread = threading.Thread(target=asyncio.run, args=(server.listen(),), name="scripted-model", daemon=True)
    thread.start()
    try:
        yield model
    finally:
        server.leave(START_SECONDS / 2)
        thread.join(START_SECONDS)


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    more = True
    while more and sum(map(len, parts)) < LARGEST:
        message: MutableMapping[str, Any] = await receive()
        parts.append(message.get("body", b""))
        more = bool(message.get("more_body"))
    return b"".join(parts)


async def _send(send: Send, answer: Answer) -> None:
    headers = {"content-type": "application/json", "content-length": str(len(answer.body)), **answer.headers}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
    await send({"type": "http.response.body", "body": answer.body})
