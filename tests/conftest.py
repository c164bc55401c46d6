"""Real parts for the tests that need them: started once a session, on ports and in memory of their own."""

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from shared.ids import new_id
from taskgrove.local.home import throw_away_home
from tests.parts import a_broker, a_store


@pytest.fixture(scope="session")
def parts_directory() -> Iterator[Path]:
    """A directory for broker and store; in memory where there is enough of it."""
    directory = throw_away_home()
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
async def store_url(parts_directory: Path) -> AsyncIterator[str]:
    """A real MongoDB replica set. Fails where there is none to be had."""
    async with a_store(parts_directory) as url:
        yield url


@pytest.fixture(scope="session")
async def broker_url(parts_directory: Path) -> AsyncIterator[str]:
    """A real RabbitMQ. Fails where there is none to be had."""
    async with a_broker(parts_directory) as url:
        yield url


@pytest.fixture
def store_name() -> str:
    """A database of the test's own."""
    return f"test_{new_id()}"
