"""One Taskgrove for all tests of this directory."""

import shutil
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from taskgrove.local.home import throw_away_home
from taskgrove.local.state import stop_running
from tests.e2e.grove import Grove


@pytest.fixture(scope="session")
def directory() -> Iterator[Path]:
    """A data directory in memory; whatever still runs on it at the end is ended."""
    root = throw_away_home()
    yield root
    stop_running(root)
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="session")
async def grove(directory: Path) -> AsyncIterator[Grove]:
    """It is up."""
    grove = Grove(directory)
    start = time.monotonic()
    await grove.up()
    print(f"\n`taskgrove up` took {time.monotonic() - start:.1f} s")
    yield grove
    await grove.down()


@pytest.fixture
def second() -> Iterator[Grove]:
    """Another data directory, on which nothing runs."""
    root = throw_away_home()
    yield Grove(root)
    stop_running(root)
    shutil.rmtree(root, ignore_errors=True)
