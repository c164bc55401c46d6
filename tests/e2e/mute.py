"""A language model that takes every question and never answers: it shows who waits, and when they hang up."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from tests.serving import served

URL = "http://127.0.0.1:{port}/v1"


@dataclass
class Mute:
    """What was asked, and when each caller hung up, on the monotonic clock."""

    port: int = 0
    asked: list[str] = field(default_factory=list)
    hung_up: list[float] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """The settings that lead services here."""
        url = URL.format(port=self.port)
        return {"TASKGROVE_MODEL_BASE_URL": url, "TASKGROVE_MODEL_NAME": "mute", "TASKGROVE_MODEL_TIMEOUT_SECONDS": "300"}

    async def take(self, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        """One connection, one question."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = next((int(line.split(b":")[1]) for line in head.splitlines() if line.lower().startswith(b"content-length:")), 0)
        self.asked.append((await reader.readexactly(length)).decode())
        with suppress(ConnectionError):
            await reader.read()
        self.hung_up.append(time.monotonic())


@asynccontextmanager
async def mute() -> AsyncIterator[Mute]:
    """It listens on a free port."""
    model = Mute()
    async with served(model.take) as model.port:
        yield model
