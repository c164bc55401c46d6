"""The workload in which every plan is a large one: it is written in pages of two tasks, and begins with its first."""

from collections.abc import Coroutine
from typing import Any

from services.sequencer import growing
from tests.simulation import workload
from tests.simulation.world import World

PAGE, FIRST = 2, 1


def live(world: World) -> Any:
    """As `workload.live`."""
    return _paged(workload.live(world))


async def _paged(lived: Coroutine[Any, Any, Any]) -> Any:
    sizes = growing.PAGE, growing.FIRST
    growing.PAGE, growing.FIRST = PAGE, FIRST
    try:
        return await lived
    finally:
        growing.PAGE, growing.FIRST = sizes
