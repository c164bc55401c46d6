"""One rig for all tests of this directory, with two executors; whoever needs another builds it."""

from collections.abc import AsyncIterator

import pytest

from tests.faults.rig import Rig


@pytest.fixture(scope="session")
async def rig() -> AsyncIterator[Rig]:
    """Everything is up."""
    async with Rig(replicas={"executor": 2}) as rig:
        yield rig
