"""Group commit: what ends at its own time waits for its own save, and one write takes all that wait."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from math import inf
from typing import Generic, TypeVar

from shared.errors import Unavailable
from shared.lanes import Lane

ENOUGH = 20
"""So many share the cost of a flush: more would gain little."""

Item = TypeVar("Item")
Waiter = tuple[Sequence[Item], asyncio.Future[None]]


class GroupCommit(Generic[Item]):
    """`flush` gets everything that was given since the last flush began, about `most` items at once, and runs one at a time.

    A lone item goes at once; a storm goes in hundreds, by turns over runs. What comes with `patience` goes with others, at most so many
    seconds after the flush before it, but neither waits where enough have gathered, nor holds up those who have no patience.

    If a flush raises Unavailable, everyone who waited for it has that error. For any other error each waiter's items are flushed again
    alone, so that what cannot be written harms no neighbour: a flush may run twice.
    """

    def __init__(self, flush: Callable[[Sequence[Item]], Awaitable[None]], *, most: int = 500) -> None:
        self._flush = flush
        self._waiting: Lane[Waiter[Item]] = Lane(most, max(1, most // 10))
        self._writer: asyncio.Task[None] | None = None
        self._flushed_at = self._due = -inf
        self._news = asyncio.Event()

    async def __call__(self, items: Sequence[Item], *, run: str = "", patience: float = 0.0) -> None:
        """Return when `items` are flushed; raises what the flush raised. `run`: whose they are."""
        if not items:
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        due = self._flushed_at + patience if patience else -inf
        self._due = min(self._due, due) if self._waiting else due
        self._waiting.put((items, done), run=run, weight=len(items))
        self._news.set()
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        await done

    async def _write(self) -> None:
        while self._waiting:
            await self._gathered()
            taken = self._waiting.take()
            self._waiting.done_all()
            self._due = -inf
            error = await self._flushed(taken)
            alone = len(taken) > 1 and error is not None and not isinstance(error, Unavailable)
            for one in taken:
                _settle(one[1], await self._flushed([one]) if alone else error)
            self._flushed_at = asyncio.get_running_loop().time()

    async def _gathered(self) -> None:
        loop = asyncio.get_running_loop()
        while len(self._waiting) < ENOUGH and self._due > loop.time():
            self._news.clear()
            timer = loop.call_at(self._due, self._news.set)
            try:
                await self._news.wait()
            finally:
                timer.cancel()

    async def _flushed(self, taken: Sequence[Waiter[Item]]) -> Exception | None:
        """How the flush of all these ended."""
        try:
            await self._flush([item for items, _ in taken for item in items])
        except Exception as error:  # noqa: BLE001 (it belongs to those who wait, whatever it is)
            return error
        except BaseException:  # noqa: BLE001 (a cancelled flush must neither leave its waiters hanging nor cancel them)
            return Unavailable("the write was given up; its result is not known")
        return None


def _settle(done: "asyncio.Future[None]", error: Exception | None) -> None:
    if not done.done():
        done.set_exception(error) if error else done.set_result(None)
