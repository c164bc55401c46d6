"""How much an endpoint may answer: a body without end must not take the memory of the service."""

from collections.abc import AsyncIterator

import httpx2

from shared.errors import ModelFailed

MOST_BYTES = 8 * 2**20
"""Several times what the longest answer that can be asked for takes."""
PLAIN = "identity"


class Bounded(httpx2.AsyncByteStream):
    """A body that ends with ModelFailed where it gets too long."""

    def __init__(self, stream: httpx2.AsyncByteStream, *, most: int, url: str) -> None:
        self._stream = stream
        self._left = most
        self._error = f"{url} answered with more than {most} bytes; no completion is as long, see TASKGROVE_MODEL_BASE_URL"

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            self._left -= len(chunk)
            if self._left < 0:
                raise ModelFailed(self._error, code="model_nonsense")
            yield chunk

    async def aclose(self) -> None:
        """Let go of the connection."""
        await self._stream.aclose()


async def bound(response: httpx2.Response, *, most: int, url: str) -> None:
    """Bound what is read of this response. One that is packed although we asked for none is refused: it could unpack to anything."""
    if response.headers.get("content-encoding", PLAIN) != PLAIN:
        raise ModelFailed(
            f"{url} answered with a packed body, which was not asked for; see TASKGROVE_MODEL_BASE_URL", code="model_nonsense"
        )
    if isinstance(response.stream, httpx2.AsyncByteStream):
        response.stream = Bounded(response.stream, most=most, url=url)
