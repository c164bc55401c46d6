"""A checker alone, on a broker and a store in memory."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.checker.wiring import wire
from shared.clock import ServerClock
from shared.memory.broker import MemoryBroker, MemoryExchange
from shared.memory.store import MemoryDatabase
from shared.service import Running, assemble, lay_ground
from shared.settings import CommonSettings


@pytest.fixture
async def checker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    monkeypatch.setenv("TASKGROVE_CHECKER_SANDBOX", "process")
    clock = ServerClock()
    settings = CommonSettings(artifacts_url=f"memory://{tmp_path}", work_dir=tmp_path, sweep_seconds=60)
    ground = lay_ground("checker", settings, broker=MemoryBroker(MemoryExchange()), database=MemoryDatabase(clock), clock=clock)
    running = await assemble(ground, wire)
    await asyncio.create_task(running.start(http=False))
    yield running
    await running.stop(seconds=0)
