"""Nobody passes without a key, and no body that is too large: both are settled before anything is parsed.

FastAPI's own body limit answers in plain text; this one answers with a problem, and lets admins bring larger imports.
"""

from collections.abc import MutableMapping
from typing import Any

from starlette.datastructures import Headers

from services.approvals.api.problems import answer_to
from services.approvals.deps import Deps
from services.approvals.domain.principals import ADMIN, Principal
from shared.errors import BadInput, LimitExceeded, TaskgroveError, Unauthorized
from shared.http import App, Receive, Scope, Send

OPEN = ("/openapi.json",)
IMPORTS = "/imports"
LONGEST_KEY = 200
Message = MutableMapping[str, Any]


class Gate:
    """Puts the principal into the request's scope, or turns it away. What is not in OPEN is closed, known or not."""

    def __init__(self, app: App, *, deps: Deps) -> None:
        self._app = app
        self._deps = deps

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            scope["principal"] = who = await self._who(headers)
            whole = await _whole(headers, receive, most=self._most(scope, who))
        except TaskgroveError as error:
            await answer_to(error, scope["path"])(scope, receive, send)
            return
        await self._app(scope, whole, send)

    async def _who(self, headers: Headers) -> Principal:
        scheme, _, key = headers.get("authorization", "").partition(" ")
        key = key.strip()
        if scheme.lower() != "bearer" or not key:
            raise Unauthorized("no API key came with the request; send `Authorization: Bearer tg_…`")
        found = await self._deps.principals.who(key) if len(key) <= LONGEST_KEY else None
        if found is None:
            raise Unauthorized("this API key is not known; an admin makes one by POST /principals")
        return found

    def _most(self, scope: Scope, who: Principal) -> int:
        settings = self._deps.settings
        return settings.import_bytes if scope["path"] == IMPORTS and who.has(ADMIN) else settings.body_bytes


async def _whole(headers: Headers, receive: Receive, *, most: int) -> Receive:
    """`receive`, with the body read already. Raises LimitExceeded as soon as it is known to be larger than `most` bytes."""
    announced = headers.get("content-length")
    if announced is None and "transfer-encoding" not in headers:
        return receive
    if announced is not None and not announced.isdecimal():
        raise BadInput(f"Content-Length: {announced!r} is no number of bytes")
    if announced is not None and int(announced) > most:
        raise await _too_large(await receive(), receive, most)
    body, message = bytearray(), await receive()
    while message["type"] == "http.request":
        body += message.get("body", b"")
        if len(body) > most:
            raise await _too_large(message, receive, most)
        if not message.get("more_body"):
            return _again({"type": "http.request", "body": bytes(body), "more_body": False}, receive)
        message = await receive()
    return _again(message, receive)


def _again(first: Message, receive: Receive) -> Receive:
    waiting = [first]

    async def give() -> Message:
        return waiting.pop() if waiting else await receive()

    return give


async def _too_large(message: Message, receive: Receive, most: int) -> LimitExceeded:
    """The error, after as much again of the body is read and dropped: a client that still sends would see a reset, not the answer."""
    dropped = 0
    while message["type"] == "http.request" and message.get("more_body") and dropped < most:
        dropped += len(message.get("body", b""))
        message = await receive()
    return LimitExceeded(f"the body is larger than the {most} bytes that are taken; leave out what is not needed, or split it")
