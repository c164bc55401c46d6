"""Real parts for the tests that need them: started once a session, on ports and in memory of their own."""

import os
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from shared.ids import new_id
from taskgrove.local.home import throw_away_home
from taskgrove.local.mongod import Mongod
from taskgrove.local.parts import find_mongod, find_rabbitmq
from taskgrove.local.ports import assign
from taskgrove.local.rabbit import Rabbit


@pytest.fixture(scope="session")
def parts_directory() -> Iterator[Path]:
    """A directory for broker and store; in memory where there is enough of it."""
    directory = throw_away_home()
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
async def store_url(parts_directory: Path) -> AsyncIterator[str]:
    """A real MongoDB replica set: the one that TASKGROVE_TEST_STORE_URL names, else a private mongod. Fails where there is neither."""
    if given := os.environ.get("TASKGROVE_TEST_STORE_URL"):
        yield given
        return
    ports = assign(["mongod"], kept={})
    mongod = Mongod(find_mongod(), parts_directory / "mongod", port=ports["mongod"], log=parts_directory / "mongod.log")
    start = time.monotonic()
    await mongod.start()
    print(f"\nmongod took {time.monotonic() - start:.1f} s to start")
    yield mongod.url
    await mongod.stop()


@pytest.fixture(scope="session")
async def broker_url(parts_directory: Path) -> AsyncIterator[str]:
    """A real RabbitMQ: the one that TASKGROVE_TEST_BROKER_URL names, else a private node. Fails where there is neither."""
    if given := os.environ.get("TASKGROVE_TEST_BROKER_URL"):
        yield given
        return
    ports = assign(["amqp", "dist", "epmd"], kept={})
    rabbit = Rabbit(find_rabbitmq(), parts_directory / "rabbitmq", ports=ports, log=parts_directory / "rabbitmq.log")
    start = time.monotonic()
    await rabbit.start()
    print(f"\nRabbitMQ took {time.monotonic() - start:.1f} s to start")
    yield rabbit.url
    await rabbit.stop()


@pytest.fixture
def store_name() -> str:
    """A database of the test's own."""
    return f"test_{new_id()}"
