"""Group commit: what ends at its own time waits for its own save, and one write takes all that wait."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from shared.errors import Unavailable

Item = TypeVar("Item")


class GroupCommit(Generic[Item]):
    """`flush` gets everything that was given since the last flush began, about `most` items at once, and runs one at a time.

    A lone item goes at once; a storm goes in hundreds. If a flush raises, everyone who waited for it gets the error.
    """

    def __init__(self, flush: Callable[[Sequence[Item]], Awaitable[None]], *, most: int = 500) -> None:
        self._flush = flush
        self._most = most
        self._waiting: list[tuple[Sequence[Item], asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def __call__(self, items: Sequence[Item]) -> None:
        """Return when `items` are flushed; raises what the flush raised."""
        if not items:
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((items, done))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())
        await done

    async def _write(self) -> None:
        while self._waiting:
            taken, count = [], 0
            while self._waiting and count < self._most:
                taken.append(self._waiting.pop(0))
                count += len(taken[-1][0])
            waiters = [done for _, done in taken]
            try:
                await self._flush([item for items, _ in taken for item in items])
            except BaseException as error:  # noqa: BLE001 (a cancelled flush must neither leave its waiters hanging nor cancel them)
                _settle(waiters, error if isinstance(error, Exception) else Unavailable("the write was given up; its result is not known"))
            else:
                _settle(waiters, None)
        self._writer = None


def _settle(waiters: Sequence["asyncio.Future[None]"], error: BaseException | None) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_exception(error) if error else waiter.set_result(None)
