"""Around every request: security headers, metrics, a line in the log for what changes something, and an answer even to a bug."""

import time
from collections.abc import MutableMapping
from typing import Any

import anyio
import structlog
from starlette.datastructures import MutableHeaders

from services.approvals.api.problems import broken
from services.approvals.metrics import ApprovalsMetrics
from shared.http import App, Receive, Scope, Send

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
READING = ("GET", "HEAD", "OPTIONS")
METHODS = (*READING, "POST", "PUT", "DELETE")

log = structlog.get_logger()


class Shell:
    """The outermost of our layers."""

    def __init__(self, app: App, *, metrics: ApprovalsMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.monotonic(), 0

        async def send_safely(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                self._note(scope, status, time.monotonic() - began)
            await send(message)

        try:
            await self._app(scope, receive, send_safely)
        except Exception as error:
            if not status:
                await broken(error, scope["path"])(scope, receive, send_safely)
            elif not _left(error):
                log.exception("http.broken_off", path=scope["path"])
                raise

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in METHODS else "OTHER"
        route = getattr(scope.get("route"), "path", "none")
        self._metrics.requests.labels(method=method, route=route, status=str(status)).inc()
        self._metrics.seconds.labels(method=method, route=route).observe(seconds)
        if method not in READING:
            who = scope.get("principal")
            log.info("http.answered", method=method, route=route, status=status, who=who.name if who else None, seconds=round(seconds, 4))


def _left(error: Exception) -> bool:
    """Whether this only says that the client went away in the middle of a stream."""
    gone = (anyio.BrokenResourceError, anyio.ClosedResourceError)
    return isinstance(error, gone) or (isinstance(error, ExceptionGroup) and error.split(gone)[1] is None)
