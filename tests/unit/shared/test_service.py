"""A service's life on the twins: it starts, is ready, hears, sweeps, survives mistakes, drains and leaves its last lines behind."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
import structlog

from shared.clock import ServerClock
from shared.contracts.checker import TaskVerified
from shared.contracts.sequencer import TaskReady
from shared.errors import BadInput, StoreUnavailable
from shared.http import Scope, Send
from shared.memory.broker import MemoryBroker, MemoryExchange
from shared.memory.store import MemoryDatabase
from shared.messaging.consumer import Hears
from shared.messaging.publisher import NOTHING, Says
from shared.service import Ground, Running, Service, assemble, lay_ground
from shared.settings import CommonSettings
from shared.storage.port import Schema
from shared.telemetry.logs import configure


class Life:
    """One service whose parts the test can watch."""

    def __init__(self, **changes: Any) -> None:
        self.heard: list[Any] = []
        self.sweeps = 0
        self.sweep_error: Exception | None = None
        self.drained: list[float] = []
        self.database = MemoryDatabase(ServerClock())
        self.exchange = MemoryExchange()
        self.changes = changes
        self.settings = CommonSettings(sweep_seconds=0.05, http_port=0)

    async def on_verified(self, events: Sequence[TaskVerified], _deps: Any) -> Says:
        self.heard += events
        return [TaskReady(run_id=events[0].run_id, attempts=("r.1:2",))]

    async def sweep(self, _deps: Any) -> Says:
        self.sweeps += 1
        if self.sweep_error:
            raise self.sweep_error
        return NOTHING

    async def drain(self, seconds: float) -> None:
        self.drained.append(seconds)

    async def wire(self, ground: Ground) -> Service:
        hears: Hears = {TaskVerified: self.on_verified}
        return Service(ground.name, hears, None, (Schema("things"),), self.sweep, drain=self.drain, **self.changes)

    def ground(self) -> Ground:
        clock = ServerClock()
        return lay_ground("sequencer", self.settings, broker=MemoryBroker(self.exchange), database=self.database, clock=clock)

    @asynccontextmanager
    async def lived(self, *, http: bool = False) -> AsyncIterator[Running]:
        running = await assemble(self.ground(), self.wire)
        await running.start(http=http)
        yield running
        await running.stop(seconds=5)


@pytest.fixture(autouse=True)
def quiet(tmp_path: Any) -> Any:
    """Lines go where a service sends them; afterwards the process is as it was."""
    with (tmp_path / "log").open("w") as stream:
        configure(level="info", stream=stream)
        yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


async def until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def get(running: Running, path: str, **headers: str) -> httpx2.Response:
    assert running.server
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{running.server.port()}", trust_env=False) as client:
        return await client.get(path, headers=headers)


async def test_it_hears_says_and_sweeps() -> None:
    life = Life()
    async with life.lived() as running:
        await running.ground.publisher.say([TaskVerified(run_id="r", verdicts=("r.1:1",))])
        await until(lambda: life.heard and life.sweeps > 2)
    assert life.heard == [TaskVerified(run_id="r", verdicts=("r.1:1",))]
    assert 4 < life.drained[0] <= 5


async def test_health_and_metrics() -> None:
    life = Life()
    async with life.lived(http=True) as running:
        assert (await get(running, "/livez")).json() == {"alive": True}
        ready = await get(running, "/readyz")
        assert (ready.status_code, ready.json()) == (200, {"ready": True, "missing": []})
        metrics = (await get(running, "/metrics")).text
        assert "taskgrove_ready 1.0" in metrics
        assert (await get(running, "/metrics", **{"X-Forwarded-For": "192.0.2.1"})).status_code == 404
        assert (await get(running, "/elsewhere")).status_code == 404
        await running.ground.broker.stop()
        not_ready = await get(running, "/readyz")
        assert (not_ready.status_code, not_ready.json()["missing"]) == (503, ["broker"])


async def test_a_service_with_an_api_keeps_its_paths() -> None:
    async def app(scope: Scope, _receive: Any, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["path"].encode()})

    async with Life(make_app=lambda: app).lived(http=True) as running:
        assert (await get(running, "/tasks")).text == "/tasks"
        assert (await get(running, "/livez")).json() == {"alive": True}


async def test_it_is_not_ready_before_it_hears_nor_while_it_drains() -> None:
    life = Life()
    running = await assemble(life.ground(), life.wire)
    assert running.missing() == ["starting", "broker", "store"]
    await running.start(http=False)
    assert running.missing() == []
    await running.stop(seconds=1)
    assert "draining" in running.missing()


async def test_it_stops_claiming_first_and_lets_its_sweep_say_what_it_found() -> None:
    order: list[str] = []
    looking, found = asyncio.Event(), asyncio.Event()
    life = Life(stop_claiming=lambda: order.append("stop"))

    async def sweep(_deps: Any) -> Says:
        looking.set()
        await found.wait()
        order.append("swept")
        return NOTHING

    life.sweep = sweep
    running = await assemble(life.ground(), life.wire)
    await running.start(http=False)
    await looking.wait()
    stopping = asyncio.create_task(running.stop(seconds=5))
    await until(lambda: order)
    found.set()
    await stopping
    assert order == ["stop", "swept"]
    assert life.drained


async def test_who_asks_while_it_drains_is_told_to_come_on_another_connection() -> None:
    leaving = asyncio.Event()
    life = Life()

    async def drain(_seconds: float) -> None:
        await leaving.wait()

    life.drain = drain
    running = await assemble(life.ground(), life.wire)
    await running.start(http=True)
    assert "connection" not in (await get(running, "/livez")).headers
    stopping = asyncio.create_task(running.stop(seconds=5))
    await until(running.missing)
    answer = await get(running, "/livez")
    assert (answer.status_code, answer.headers["connection"]) == (200, "close")
    leaving.set()
    await stopping


async def test_a_sweep_that_fails_is_repeated_and_a_lost_store_is_shown() -> None:
    life = Life()
    async with life.lived() as running:
        life.sweep_error = StoreUnavailable("no primary")
        await until(lambda: running.missing() == ["store"])
        life.sweep_error = ValueError("a mistake")
        before = life.sweeps
        await until(lambda: life.sweeps > before + 2 and running.missing() == [])


async def test_background_work_that_fails_begins_again() -> None:
    begun = 0

    async def work() -> None:
        nonlocal begun
        begun += 1
        if begun < 2:
            raise ValueError("a mistake")

    async with Life(background=(work,)).lived():
        await until(lambda: begun == 2)


async def test_its_lines_are_kept_to_the_last() -> None:
    life = Life()
    async with life.lived():
        structlog.get_logger().info("some.thing", task_id="r.1", colour="red")
    lines = await life.database["logs"].find({}, sort=(("_id", 1),))
    assert [line["event"] for line in lines] == ["service.ready", "some.thing", "service.drains", "service.stopped"]
    assert {line["service"] for line in lines} == {"sequencer"}
    assert (lines[1]["task_id"], lines[1]["run_id"], lines[1]["message"]) == ("r.1", "r", "some.thing colour=red")


async def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        life = Life()
        life.settings = CommonSettings(http_port=other.getsockname()[1])
        running = await assemble(life.ground(), life.wire)
        with pytest.raises(BadInput, match="TASKGROVE_HTTP_PORT"):
            await running.start(http=True)
