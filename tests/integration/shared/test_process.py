"""A service as a process over the real broker and store: it comes up, waits for what is missing, and drains when it is told to end."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx2
import pytest

from shared.contracts.checker import TaskVerified
from shared.ids import new_id
from shared.messaging.codec import encode
from shared.messaging.port import Delivery, Queue
from shared.messaging.rabbit import RabbitBroker

PROGRAM = Path(__file__).with_name("small_service.py")


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.fixture
async def spawn(store_url: str, broker_url: str, store_name: str, port: int) -> AsyncIterator[Callable[..., object]]:
    started: list[asyncio.subprocess.Process] = []

    async def start(**environment: str) -> asyncio.subprocess.Process:
        settings = {"STORE_URL": store_url, "BROKER_URL": broker_url, "STORE_NAME": store_name, "HTTP_PORT": str(port), **environment}
        env = {**os.environ, "PYTHONPATH": str(Path.cwd()), **{f"TASKGROVE_{key}": value for key, value in settings.items()}}
        arguments = (sys.executable, str(PROGRAM), "sequencer")
        process = await asyncio.create_subprocess_exec(*arguments, env=env, stderr=asyncio.subprocess.PIPE)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def readiness(port: int, wanted: int, *, seconds: float = 20) -> list[str]:
    """What /readyz says is missing, once it answers with the wanted status."""
    async with asyncio.timeout(seconds), httpx2.AsyncClient(trust_env=False) as client:
        while True:
            try:
                answer = await client.get(f"http://127.0.0.1:{port}/readyz")
                if answer.status_code == wanted:
                    return list(answer.json()["missing"])
            except httpx2.HTTPError:
                pass
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_finishes_what_it_heard_and_leaves_with_0(spawn: Callable[..., object], port: int, broker_url: str, number: int) -> None:
    process = await spawn()  # type: ignore[misc]
    assert await readiness(port, 200) == []
    world, answers, told = RabbitBroker(broker_url, name="world"), f"answers.{new_id()}", asyncio.Event()
    await world.start([Queue(answers, ("task.ready",))])

    def hear(_delivery: Delivery) -> None:
        told.set()

    await world.consume(answers, hear, prefetch=10)
    await world.publish([encode([TaskVerified(run_id="r", verdicts=("r.1:1",))], service="test")])
    await asyncio.sleep(0.2)
    process.send_signal(number)
    await asyncio.sleep(0.4)
    assert await readiness(port, 503) == ["draining"], "it still answers while it drains, so that nobody takes it for dead"
    await asyncio.wait_for(told.wait(), 10)
    _, errors = await asyncio.wait_for(process.communicate(), 10)
    await world.stop()
    assert process.returncode == 0, errors.decode()
    assert [line for line in (b"service.ready", b"service.drains", b"service.stopped") if line not in errors] == []
    assert b"Traceback" not in errors


async def test_it_waits_for_what_is_missing_and_can_be_ended_meanwhile(spawn: Callable[..., object], port: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        dead = nobody.getsockname()[1]
    process = await spawn(BROKER_URL=f"amqp://guest:guest@127.0.0.1:{dead}/")  # type: ignore[misc]
    assert "broker" in await readiness(port, 503)
    process.send_signal(signal.SIGTERM)
    _, errors = await asyncio.wait_for(process.communicate(), 10)
    assert process.returncode == 0, errors.decode()


async def test_a_taken_port_is_told_in_one_line(spawn: Callable[..., object], port: int) -> None:
    with socket.create_server(("127.0.0.1", port)):
        process = await spawn()  # type: ignore[misc]
        _, errors = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode != 0
    assert "TASKGROVE_HTTP_PORT" in errors.decode().splitlines()[-1]
    assert "Traceback" not in errors.decode()
