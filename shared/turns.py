"""Turns: so many at once, by turns over whom they are for; and clocks that stand still while somebody waits for a turn."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Protocol


class Clock(Protocol):
    """What bounds the time of some work."""

    def stop(self) -> None:
        """It stands still, until it was told as often to go."""

    def go(self) -> None:
        """It goes on where it stood."""


_clocks: ContextVar[tuple[Clock, ...]] = ContextVar("clocks", default=())


@contextmanager
def timed_by(clock: Clock) -> Iterator[None]:
    """Waiting for a turn does not count against this clock, for the length of the block."""
    token = _clocks.set((*_clocks.get(), clock))
    try:
        yield
    finally:
        _clocks.reset(token)


@contextmanager
def uncounted() -> Iterator[None]:
    """All clocks of this task stand still, for the length of the block."""
    clocks = _clocks.get()
    for clock in clocks:
        clock.stop()
    try:
        yield
    finally:
        for clock in clocks:
            clock.go()


class Deadline:
    """An `asyncio.timeout` that can stand still."""

    def __init__(self, timeout: asyncio.Timeout) -> None:
        self._timeout = timeout
        self._stops = 0
        self._left: float | None = None

    def stop(self) -> None:
        self._stops += 1
        end = self._timeout.when()
        if self._left is None and end is not None and not self._timeout.expired():
            self._left = end - asyncio.get_running_loop().time()
            self._timeout.reschedule(None)

    def go(self) -> None:
        self._stops -= 1
        if self._stops == 0 and self._left is not None:
            self._timeout.reschedule(asyncio.get_running_loop().time() + self._left)
            self._left = None


class Stopwatch:
    """Seconds that count."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._stops = 0

    def passed(self) -> float:
        """Since it began."""
        return self._loop.time() - self._began

    def stop(self) -> None:
        self._stops += 1
        if self._stops == 1:
            self._stopped = self._loop.time()

    def go(self) -> None:
        self._stops -= 1
        if self._stops == 0:
            self._began += self._loop.time() - self._stopped


class Turns:
    """At most so many at once; None: as many as come. Nobody waits behind all that somebody else wants."""

    def __init__(self, most: int | None) -> None:
        self._free = most
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def one(self, whose: str) -> AsyncIterator[None]:
        """A turn, for the length of the block. Waiting for it counts against no clock of this task."""
        await self.take(whose)
        try:
            yield
        finally:
            self.give()

    def wanted(self, whose: str) -> bool:
        """Whether more of theirs wait for a turn."""
        return any(not turn.done() for turn in self._waiting.get(whose, ()))

    def waiting(self) -> int:
        """How many wait for theirs."""
        return sum(not turn.done() for line in self._waiting.values() for turn in line)

    async def take(self, whose: str) -> None:
        """A turn that is kept until `give`: for what may end later than whoever waits for it."""
        if self._free is None:
            return
        if self._free:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(whose, deque()).append(turn)
        try:
            with uncounted():
                await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it came just when nobody wanted it any more
                self.give()
            raise

    def give(self) -> None:
        """The turn goes to who waits, or is free."""
        if self._free is None:
            return
        while self._waiting:
            whose, line = self._waiting.popitem(last=False)
            turn = line.popleft()
            if line:
                self._waiting[whose] = line
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
