"""A store that is away costs an attempt time, not its try."""

import pytest

from shared.clock import ServerClock
from shared.errors import StoreUnavailable
from shared.storage.patience import answered


class Hurried(ServerClock):
    """Notes how long it was asked to wait, and does not."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)


async def test_a_store_that_is_away_is_asked_again() -> None:
    """Found by the simulation, seed 24: a task failed for good because the store was away while its agent read what it depends on."""
    clock, left = Hurried(), 3

    async def look() -> str:
        nonlocal left
        left -= 1
        if left:
            raise StoreUnavailable("no primary")
        return "found"

    assert await answered(look, clock) == "found"
    assert len(clock.waits) == 2
    assert all(0.05 <= wait <= 1.0 for wait in clock.waits)


async def test_patience_may_have_an_end() -> None:
    now, tries = [0.0], 0
    clock = ServerClock(monotonic=lambda: now[0])

    async def look() -> str:
        nonlocal tries
        tries += 1
        now[0] += 10
        raise StoreUnavailable("no primary")

    with pytest.raises(StoreUnavailable):
        await answered(look, clock, seconds=25)
    assert tries == 3
