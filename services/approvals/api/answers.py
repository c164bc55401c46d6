"""Answers that are JSON already: no model is built of what the store holds."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from starlette.responses import Response


def answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """This value as JSON."""
    return Response(orjson.dumps(content), status, media_type="application/json", headers=dict(headers or {}))


def paged(items: Sequence[dict[str, Any]], *, limit: int, cursor_of: str) -> Response:
    """A page of at most `limit`; when there is one item more, its predecessor's id is the cursor."""
    shown = items[:limit]
    return answer({"items": shown, "nextCursor": shown[-1][cursor_of] if len(items) > limit else None})


def etag(view: Mapping[str, Any]) -> dict[str, str]:
    """The version of a task, for If-Match."""
    return {"ETag": f'"{view["version"]}"'}
