"""A short selection of the faults, in every `make test`; all of them: `make faults`."""

from collections.abc import AsyncIterator

import pytest

from tests.faults.rig import Rig
from tests.faults.verify import verify
from tests.faults.workload import load


@pytest.fixture(scope="module")
async def rig() -> AsyncIterator[Rig]:
    """Everything is up."""
    async with Rig() as rig:
        yield rig


async def test_a_kill_of_each_service(rig: Rig) -> None:
    async with load(rig) as runs:
        for name in rig.services:
            rig.kill(name)
            await rig.ready()
    tally = await verify(rig, list(runs.accepted))
    print(tally)
    assert tally.findings == []
    assert tally.completed == len(runs.accepted) > 0
