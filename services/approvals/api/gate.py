"""Nobody passes without a key or a session, and no body that is too large: both are settled before anything is parsed.

FastAPI's own body limit answers in plain text; this one answers with a problem, and lets admins bring larger imports.
"""

import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from functools import partial
from typing import Any

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.responses import Response

from services.approvals.api.cookies import FIELD, HEADER, csrf_token, is_foreign, session_of
from services.approvals.deps import Deps
from services.approvals.domain.principals import ADMIN, Principal
from shared.errors import BadInput, Forbidden, LimitExceeded, TaskgroveError, Unauthorized
from shared.http import App, Receive, Scope, Send

OPEN = ("/openapi.json",)
IMPORTS = "/imports"
LONGEST_KEY = 200
COPIED = 16 * 2**20
MOST_FROM_STRANGERS = 16 * 1_024
READING = ("GET", "HEAD", "OPTIONS")
Message = MutableMapping[str, Any]
Refuse = Callable[[TaskgroveError, Request], Awaitable[Response]]


class Gate:
    """Puts the principal into the request's scope, or turns it away as `refuse` says. What is not open is closed, known or not."""

    def __init__(self, app: App, *, deps: Deps, is_open: Callable[[str], bool], refuse: Refuse) -> None:
        self._app = app
        self._deps = deps
        self._is_open = is_open
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            _check_query(scope)
            await self._identify(scope, headers)
            whole = await _whole(headers, receive, most=self._most(scope))
            if scope["method"] not in READING:
                whole = await _check_own(scope, headers, receive=whole)
        except TaskgroveError as error:
            await (await self._refuse(error, Request(scope, receive)))(scope, receive, send)
            return
        await self._app(scope, whole, send)

    async def _identify(self, scope: Scope, headers: Headers) -> None:
        """Who asks, by key or by session. Raises Unauthorized where that must be known."""
        secret = session_of(headers)
        again: Callable[[], Awaitable[Principal]]
        try:
            if "authorization" in headers or not secret:
                again = partial(self._by_key, headers)
                scope["principal"] = await again()
            else:
                again = partial(self._by_session, secret)
                scope["principal"] = await again()
                scope["session"], scope["csrf"] = secret, csrf_token(secret)
            scope["identify_again"] = again
        except Unauthorized:
            if not self._is_open(scope["path"]):
                raise

    async def _by_key(self, headers: Headers) -> Principal:
        scheme, _, key = headers.get("authorization", "").partition(" ")
        key = key.strip()
        if scheme.lower() != "bearer" or not key:
            raise Unauthorized("no API key came with the request; send `Authorization: Bearer tg_…`")
        found = await self._deps.principals.who(key) if len(key) <= LONGEST_KEY else None
        if found is None:
            raise Unauthorized("this API key is not known; an admin makes one by POST /principals")
        return found

    async def _by_session(self, secret: str) -> Principal:
        found = await self._deps.sessions.who(secret) if len(secret) <= LONGEST_KEY else None
        if found is None:
            raise Unauthorized("this session is over; log in again")
        return found

    def _most(self, scope: Scope) -> int:
        settings, who = self._deps.settings, scope.get("principal")
        if who is None:
            return MOST_FROM_STRANGERS
        return settings.import_bytes if scope["path"] == IMPORTS and who.has(ADMIN) else settings.body_bytes


async def _check_own(scope: Scope, headers: Headers, *, receive: Receive) -> Receive:
    """`receive` again. Raises Forbidden unless what a browser sends with a session comes from one of our pages and brings its token."""
    if "authorization" in headers:
        return receive
    if is_foreign(headers):
        raise Forbidden("another site sent this request; open the dashboard itself and do it there")
    if "session" not in scope:
        return receive
    message = await receive()
    given = headers.get(HEADER) or await _form_token(scope, message)
    if not hmac.compare_digest(given.encode(errors="replace"), scope["csrf"].encode()):
        raise Forbidden(f"the request has no valid token ({HEADER}, or the form's field {FIELD}); load the page again")
    return _again(message, receive)


async def _form_token(scope: Scope, message: Message) -> str:
    """The token in a form's body; empty: there is none."""
    body = message.get("body", b"")
    with suppress(HTTPException, MultiPartException, UnicodeError):
        async with Request(scope, _again(message, _nothing)).form(max_part_size=len(body) + 1) as form:
            given = form.get(FIELD)
            return given if isinstance(given, str) else ""
    return ""


async def _nothing() -> Message:
    return {"type": "http.disconnect"}


def _check_query(scope: Scope) -> None:
    """Raises BadInput for a query that no URL can have; it is taken away, as nothing that reads the URL afterwards expects it."""
    if not scope["query_string"].isascii():
        scope["query_string"] = b""
        raise BadInput("the query of the URL has bytes that are no characters of a URL; write them as %XX")


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
            # A large one, which is a run that is imported, is handed on as it is: a copy takes as much memory again.
            whole = bytes(body) if len(body) <= COPIED else body
            return _again({"type": "http.request", "body": whole, "more_body": False}, receive)
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
