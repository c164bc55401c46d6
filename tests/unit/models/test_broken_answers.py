"""Answers that do not arrive whole: the endpoint had the question, so that each may have been billed, and is in the ledger."""

import asyncio
import gzip

import pytest
from prometheus_client import CollectorRegistry

from shared.clock import ServerClock
from shared.errors import ModelFailed
from shared.memory.store import MemoryDatabase
from shared.models.bounded import MOST_BYTES
from shared.models.endpoint import Endpoint
from shared.models.ledger import Ledger
from shared.models.metrics import OUTCOMES, ModelMetrics
from shared.models.port import Question, Turn
from shared.telemetry.traces import NoTraces
from tests.serving import served
from tests.unit.models.wire import ABOUT, completion, settings

QUESTION = Question((Turn("user", "hello"),))
BODY = completion("hello").content
PACKED = gzip.compress(BODY)


def answer(body: bytes, *, length: int | None = None, status: str = "200 OK", headers: str = "") -> bytes:
    """As it goes over the wire; `length` is what its header says of it."""
    said = f"Content-Length: {len(body) if length is None else length}\r\n{headers}"
    return f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{said}\r\n".encode() + body


async def asked(port: int, database: MemoryDatabase) -> ModelFailed:
    """What asking there fails with."""
    endpoint = Endpoint(settings(base_url=f"http://127.0.0.1:{port}/v1"))
    ledger = Ledger(endpoint, database["test_calls"], ServerClock(), ModelMetrics(CollectorRegistry()), NoTraces())
    with pytest.raises(ModelFailed) as raised:
        await ledger.ask(QUESTION, ABOUT, seconds=30)
    await ledger.close()
    return raised.value


async def failed(said: bytes, database: MemoryDatabase) -> ModelFailed:
    """What asking fails with, where an endpoint reads the question, says this, and hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split()[0]))
        writer.write(said)
        await writer.drain()

    async with served(serve) as port:
        return await asked(port, database)


@pytest.mark.parametrize(
    ("said", "code", "permanent"),
    [
        pytest.param(answer(BODY[: len(BODY) // 2], length=len(BODY)), "model_broke_off", False, id="half of it"),
        pytest.param(b"", "model_broke_off", False, id="nothing at all"),
        pytest.param(answer(b" " * (MOST_BYTES + 2**20)), "model_nonsense", False, id="too long"),
        pytest.param(answer(PACKED, headers="Content-Encoding: gzip\r\n"), "model_refused", True, id="packed"),
    ],
)
async def test_what_may_have_been_billed_is_a_call_of_unknown_cost(
    database: MemoryDatabase, said: bytes, code: str, *, permanent: bool
) -> None:
    error = await failed(said, database)
    assert (error.code, error.permanent) == (code, permanent)
    (row,) = await database["test_calls"].find({})
    assert (row["outcome"], row["task_id"]) == (code, "run.1")
    assert (row["prompt_tokens"], row["completion_tokens"], row["usd"]) == (None, None, None)
    assert code in OUTCOMES


async def test_an_error_that_cannot_be_read_costs_nothing(database: MemoryDatabase) -> None:
    error = await failed(answer(PACKED, status="500 Oops", headers="Content-Encoding: gzip\r\n"), database)
    assert (error.code, error.permanent) == ("model_nonsense", False)
    assert await database["test_calls"].find({}) == []


async def test_where_nobody_listens_nothing_is_paid(database: MemoryDatabase) -> None:
    async with served(lambda _, __: asyncio.sleep(0)) as port:
        pass
    assert (await asked(port, database)).code == "model_unreachable"
    assert await database["test_calls"].find({}) == []
