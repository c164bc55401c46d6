"""Who steps back where processors are short."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from taskgrove.local.precedence import STEPS, step_back
from taskgrove.local.process import Child
from taskgrove.local.service import FIRST, Service

SLEEPS = [sys.executable, "-c", "import time; time.sleep(60)"]


def steps(pid: int) -> set[int]:
    """How far it stands back, by both of the kernel's ways to say it: the second is not everywhere."""
    group = Path(f"/proc/{pid}/autogroup")
    said = {int(group.read_text().rpartition(" ")[2])} if group.exists() else set()
    return {os.getpriority(os.PRIO_PROCESS, pid) - os.getpriority(os.PRIO_PROCESS, 0), *said}


@asynccontextmanager
async def service(name: str, tmp_path: Path) -> AsyncIterator[Service]:
    """One that does nothing."""
    one = Service(name, SLEEPS, env=os.environ, port=1, log=tmp_path / "log")
    await one.start()
    try:
        yield one
    finally:
        await one.stop()


async def test_what_works_stands_back_behind_what_people_look_at(tmp_path: Path) -> None:
    async with service("executor", tmp_path) as worker, service(FIRST, tmp_path) as first:
        assert worker.child
        assert first.child
        async with asyncio.timeout(10):
            while steps(worker.child.pid) != {STEPS}:
                await asyncio.sleep(0.02)
        assert steps(first.child.pid) == {0}


async def test_one_that_is_gone_is_nobody_to_step_back(tmp_path: Path) -> None:
    child = await Child.spawn("short", [sys.executable, "-c", ""], env=os.environ, log=tmp_path / "log")
    await child.wait()
    await step_back(child.pid)
