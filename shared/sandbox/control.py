"""Holding a run and letting it go on, while its clock stands still."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Held(Protocol):
    """What can be paused: the processes of a run, or work that only waits."""

    def pause(self) -> None:
        """Hold it."""

    def resume(self) -> None:
        """Let it go on."""


class ProcessControl:
    """Given to a run by whoever may want to pause it. Pausing before the process has started holds it from its start."""

    def __init__(self) -> None:
        self.paused = False
        self._runs: list[_Run] = []

    def pause(self) -> None:
        """Freeze the processes and their clocks. Twice is once."""
        self.paused = True
        for run in self._runs:
            run.pause()

    def resume(self) -> None:
        """Let them go on where they were."""
        self.paused = False
        for run in self._runs:
            run.resume()

    @contextmanager
    def over(self, family: Held, clock: asyncio.Timeout) -> Iterator[None]:
        """Hold sway over these processes and their clock for the length of the block."""
        run = _Run(family, clock)
        self._runs.append(run)
        if self.paused:
            run.pause()
        try:
            yield
        finally:
            self._runs.remove(run)


class _Run:
    """One run under control: its processes, its clock, and the seconds that were left when it was paused."""

    def __init__(self, family: Held, clock: asyncio.Timeout) -> None:
        self._family = family
        self._clock = clock
        self._left: float | None = None

    def pause(self) -> None:
        end = self._clock.when()
        if self._left is None and end is not None and not self._clock.expired():
            self._left = end - asyncio.get_running_loop().time()
            self._clock.reschedule(None)
            self._family.pause()

    def resume(self) -> None:
        if self._left is not None:
            self._clock.reschedule(asyncio.get_running_loop().time() + self._left)
            self._left = None
            self._family.resume()
