"""What died is started again, however often and however a start fails."""

import asyncio

import pytest
from pymongo.errors import AutoReconnect
from structlog.testing import capture_logs

from shared.errors import Unavailable
from taskgrove.local.keeper import Keeper


class Dead:
    """A component whose process is gone, and whose first starts fail."""

    name = "mongod"
    child = None

    def __init__(self, failures: list[Exception]) -> None:
        self.failures = failures
        self.up = asyncio.Event()

    async def start(self) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.up.set()
        await asyncio.Event().wait()

    async def stop(self) -> None:
        """Nothing is left to end."""


@pytest.mark.parametrize("failure", [Unavailable("no"), OSError("no"), AutoReconnect("no connection"), KeyError("no")], ids=repr)
async def test_after_a_start_that_failed_in_any_way_the_next_try_comes(failure: Exception) -> None:
    with capture_logs() as lines:
        keeper, component = Keeper(changed=lambda: None), Dead([failure])
        keeper.watch(component)
        try:
            async with asyncio.timeout(10):
                await component.up.wait()
        finally:
            await keeper.close()
    assert keeper.restarts["mongod"] == 2
    failed = [line for line in lines if line["event"] == "restart_failed"]
    assert [(line["name"], "no" in line["reason"]) for line in failed] == [("mongod", True)]
