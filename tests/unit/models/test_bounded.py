"""What an endpoint answers is read up to a bound, whatever its status and however it is packed."""

import gzip
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx2
import pytest

from shared.errors import ModelFailed
from shared.models.bounded import MOST_BYTES
from tests.unit.models.wire import Wire


@dataclass
class Endless(httpx2.AsyncByteStream):
    """A body that goes on until somebody stops reading."""

    given: int = 0
    closed: bool = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            self.given += 2**20
            yield b" " * 2**20

    async def aclose(self) -> None:
        self.closed = True


@pytest.mark.parametrize("status", [200, 500])
async def test_an_answer_without_end_is_cut_short(status: int) -> None:
    body = Endless()
    with pytest.raises(ModelFailed, match=f"more than {MOST_BYTES} bytes") as raised:
        await Wire(lambda _: httpx2.Response(status, stream=body)).ask()
    assert (raised.value.code, body.given, body.closed) == ("model_nonsense", MOST_BYTES + 2**20, True)


async def test_what_is_packed_could_unpack_to_anything() -> None:
    wire = Wire(lambda _: httpx2.Response(200, content=gzip.compress(b"{}"), headers={"content-encoding": "gzip"}))
    with pytest.raises(ModelFailed, match="packed body") as raised:
        await wire.ask()
    assert (raised.value.code, raised.value.permanent) == ("model_refused", True), "the next one would be packed as well"
    assert wire.requests[0].headers["accept-encoding"] == "identity"
