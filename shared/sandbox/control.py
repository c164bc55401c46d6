"""Holding a run and letting it go on, while its clock stands still."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from shared.turns import Deadline


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
    def over(self, family: Held, timeout: asyncio.Timeout) -> Iterator[Deadline]:
        """Hold sway over these processes and their clock, which is given, for the length of the block."""
        clock = Deadline(timeout)
        run = _Run(family, clock)
        self._runs.append(run)
        if self.paused:
            run.pause()
        try:
            yield clock
        finally:
            self._runs.remove(run)


class _Run:
    """One run under control: its processes and its clock."""

    def __init__(self, family: Held, clock: Deadline) -> None:
        self._family = family
        self._clock = clock
        self._paused = False

    def pause(self) -> None:
        if not self._paused:
            self._paused = True
            self._clock.stop()
            self._family.pause()

    def resume(self) -> None:
        if self._paused:
            self._paused = False
            self._clock.go()
            self._family.resume()
