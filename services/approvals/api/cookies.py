"""A browser's session: its cookie, the token that its forms must bring, and whether a request comes from our own pages."""

import hashlib

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import Response

from shared.http import Scope

NAME = "taskgrove"
HEADER, FIELD = "x-csrf-token", "csrf"


def cookie_name(headers: Headers) -> str:
    """A browser sends the cookies of one host to all its ports: with the port in the name, two Taskgroves there do not mix theirs up."""
    port = headers.get("host", "").rpartition(":")[2]
    return f"{NAME}_{port}" if port.isdecimal() else NAME


def session_of(headers: Headers) -> str | None:
    """What the request brings as its session."""
    return cookie_parser(headers.get("cookie", "")).get(cookie_name(headers)) or None


def set_session(answer: Response, scope: Scope, secret: str, *, seconds: int) -> None:
    """Let the browser keep it. Lax, not Strict: a link to a run in a chat must open it; what changes something needs the token as well."""
    headers = Headers(scope=scope)
    secure = scope.get("scheme") == "https" or headers.get("x-forwarded-proto") == "https"
    answer.set_cookie(cookie_name(headers), secret, max_age=seconds, httponly=True, samesite="lax", secure=secure)


def drop_session(answer: Response, scope: Scope) -> None:
    """Let the browser forget it."""
    answer.delete_cookie(cookie_name(Headers(scope=scope)), httponly=True, samesite="lax")


def csrf_token(secret: str) -> str:
    """The token of a session: who has it cannot tell the session, and nobody else can make it."""
    return hashlib.sha256(f"csrf\0{secret}".encode()).hexdigest()


def is_foreign(headers: Headers) -> bool:
    """Whether a browser says that another site made it send this."""
    if site := headers.get("sec-fetch-site"):
        return site != "same-origin"
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2] != headers.get("host")
