"""How much an endpoint may answer: a body without end must not take the memory of the service."""

from collections.abc import AsyncIterator

import httpx2

from shared.errors import ModelFailed
from shared.models.answer import Unusable
from shared.models.port import Spent

MOST_BYTES = 8 * 2**20
"""Several times what the longest answer that can be asked for takes."""
PLAIN = "identity"


class Bounded(httpx2.AsyncByteStream):
    """A body that ends with an error where it gets too long."""

    def __init__(self, stream: httpx2.AsyncByteStream, *, most: int, error: ModelFailed) -> None:
        self._stream = stream
        self._left = most
        self._error = error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            self._left -= len(chunk)
            if self._left < 0:
                raise self._error
            yield chunk

    async def aclose(self) -> None:
        """Let go of the connection."""
        await self._stream.aclose()


async def bound(response: httpx2.Response, *, most: int, url: str) -> None:
    """Bound what is read of this response. One that is packed although we asked for none is refused: it could unpack to anything."""
    if response.headers.get("content-encoding", PLAIN) != PLAIN:
        # Whoever packs will pack the next one too: asked again, it would be paid again for nothing.
        what = f"{url} answered with a packed body, which was not asked for; see TASKGROVE_MODEL_BASE_URL"
        raise _unreadable(response, what, code="model_refused")
    if isinstance(response.stream, httpx2.AsyncByteStream):
        what = f"{url} answered with more than {most} bytes; no completion is as long, see TASKGROVE_MODEL_BASE_URL"
        response.stream = Bounded(response.stream, most=most, error=_unreadable(response, what, code="model_nonsense"))


def _unreadable(response: httpx2.Response, what: str, *, code: str) -> ModelFailed:
    """An answer was paid for, whatever it is; an error was not, and passes."""
    return Unusable(what, said="", spent=Spent(), code=code) if response.is_success else ModelFailed(what, code="model_nonsense")
