"""Log lines: where they belong, that none of them fails its writer, and what is given up when the store is too slow."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from prometheus_client import CollectorRegistry

from shared.clock import ServerClock
from shared.errors import StoreUnavailable
from shared.memory.store import MemoryDatabase
from shared.storage.port import Collection, Doc
from shared.telemetry.logs import LOGS, MOST_MESSAGE, MOST_WAITING, MOST_WAITING_BYTES, LogStore, configure, keep
from shared.telemetry.metrics import ServiceMetrics

log = structlog.get_logger()


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    stream, root = io.StringIO(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure(level="info", stream=stream)
    yield stream
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def collection() -> Collection:
    return MemoryDatabase(ServerClock())[LOGS.name]


@pytest.fixture
def store(collection: Collection) -> Iterator[LogStore]:
    store = LogStore(collection, ServiceMetrics(CollectorRegistry()))
    keep("planner", store)
    yield store
    keep("planner", None)


def written(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("given", "placed"),
    [
        ({"attempt": "run.1.2:3"}, {"task_id": "run.1.2", "run_id": "run", "trace_id": "run"}),
        ({"task_id": "run.1"}, {"run_id": "run", "trace_id": "run"}),
        ({"run_id": "run"}, {"trace_id": "run"}),
        ({"run_id": "run", "trace_id": "other"}, {"trace_id": "other"}),
        ({}, {}),
    ],
)
def test_a_line_says_where_it_belongs(stream: io.StringIO, given: dict[str, str], placed: dict[str, str]) -> None:
    log.info("some.thing", **given)
    (line,) = written(stream)
    assert {key: line[key] for key in ("attempt", "task_id", "run_id", "trace_id") if key in line} == {**given, **placed}
    assert line["level"] == "info"
    assert line["event"] == "some.thing"


@pytest.mark.parametrize("value", ["\ud800", 2**70, object(), {1: {2}}, b"\xff", float("nan")], ids=repr)
async def test_no_value_makes_a_line_fail(stream: io.StringIO, store: LogStore, collection: Collection, value: Any) -> None:
    log.info("odd", service="planner", value=value, task_id="r.1")
    log.info("odd", service="planner", text=value)
    assert [line["event"] for line in written(stream)] == ["odd", "odd"]
    await store.flush()
    assert len(await collection.find({"task_id": "r.1"})) == 1
    assert await collection.count({}) == 2


def test_levels_and_exceptions(stream: io.StringIO) -> None:
    log.debug("not.written")
    try:
        raise ValueError("a mistake")
    except ValueError:
        log.exception("some.thing")
    logging.getLogger("elsewhere").warning("a %s line", "foreign")
    own, foreign = written(stream)
    assert "ValueError: a mistake" in own["exception"]
    assert foreign["event"] == "a foreign line"


@pytest.mark.usefixtures("stream")
async def test_only_the_lines_of_a_service_that_keeps_them_are_kept(store: LogStore, collection: Collection) -> None:
    log.info("mine", service="planner", attempt="r.1:2", size=3)
    log.info("another's", service="checker")
    log.info("nobody's")
    log.info("agent.output", service="planner", text="the agent's own line", more=1)
    await store.flush()
    mine, output = await collection.find({}, sort=(("_id", 1),))
    assert (mine["event"], mine["message"], mine["task_id"], mine["run_id"]) == ("mine", "mine size=3", "r.1", "r")
    assert output["message"] == "the agent's own line"


@pytest.mark.usefixtures("stream")
async def test_a_long_line_is_cut(store: LogStore, collection: Collection) -> None:
    log.info("long", service="planner", text="x" * 1_000_000)
    await store.flush()
    (line,) = await collection.find({})
    assert len(line["message"]) == MOST_MESSAGE


class Slow:
    """A store that does not answer until it is told to."""

    name = "logs"

    def __init__(self) -> None:
        self.docs: list[Doc] = []
        self.answers = False

    async def insert(self, docs: Any) -> set[str]:
        if not self.answers:
            raise StoreUnavailable("no primary")
        self.docs += docs
        return set()


async def test_lines_wait_for_a_store_that_does_not_answer_and_the_oldest_go_first() -> None:
    slow, metrics = Slow(), ServiceMetrics(CollectorRegistry())
    store = LogStore(slow, metrics)  # type: ignore[arg-type]
    store.take({"event": "0"})
    await store.flush()
    for n in range(1, MOST_WAITING + 10):
        store.take({"event": str(n)})
    await store.flush()
    slow.answers = True
    await store.flush()
    assert [doc["event"] for doc in slow.docs] == [str(n) for n in range(10, MOST_WAITING + 10)]
    assert metrics.registry.get_sample_value("taskgrove_log_lines_dropped_total") == 10


async def test_long_lines_wait_in_a_bounded_memory() -> None:
    slow, metrics = Slow(), ServiceMetrics(CollectorRegistry())
    store = LogStore(slow, metrics)  # type: ignore[arg-type]
    for n in range(4_000):
        store.take({"event": str(n), "text": "x" * MOST_MESSAGE})
        if n % 1_000 == 0:
            await store.flush()
    slow.answers = True
    await store.flush()
    assert slow.docs[-1]["event"] == "3999"
    assert 0.9 * MOST_WAITING_BYTES < sum(len(doc["message"]) for doc in slow.docs) <= MOST_WAITING_BYTES
    assert metrics.registry.get_sample_value("taskgrove_log_lines_dropped_total") == 4_000 - len(slow.docs)
