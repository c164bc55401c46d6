"""Five services in memory, and the commands that are called against them."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from taskgrove.cli import main
from taskgrove.cli.place import local_key
from taskgrove.local.in_memory import InMemoryStack


@pytest.fixture(scope="module")
def grove() -> Iterator[dict[str, str]]:
    """Five services in a thread of their own, with an address and a key."""
    started, ended, found = threading.Event(), threading.Event(), {}

    async def live() -> None:
        async with InMemoryStack() as stack:
            found.update({"TASKGROVE_API": stack.api_url, "TASKGROVE_KEY": local_key(stack.home) or ""})
            started.set()
            await asyncio.to_thread(ended.wait)

    thread = threading.Thread(target=lambda: asyncio.run(live()))
    thread.start()
    assert started.wait(20)
    yield found
    ended.set()
    thread.join(20)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where keys of people are kept that were made from here."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def call(grove: dict[str, str], home: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("TASKGROVE_HOME", str(home))
    for name, value in grove.items():
        monkeypatch.setenv(name, value)
    return lambda *args: CliRunner().invoke(main.app, [str(arg) for arg in args])
