"""A person pauses a task: the model is asked nothing more until it goes on. What was asked already is still taken."""

import asyncio


class Pausing:
    """Stands where a family of processes would: the attempt's clock is stopped with it (shared/sandbox/control.py)."""

    def __init__(self) -> None:
        self._going = asyncio.Event()
        self._going.set()

    def pause(self) -> None:
        """Hold before the next question."""
        self._going.clear()

    def resume(self) -> None:
        """Go on."""
        self._going.set()

    async def wait(self) -> None:
        """Return once nobody holds it."""
        await self._going.wait()
