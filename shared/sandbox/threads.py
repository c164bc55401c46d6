"""Python calls in threads, which nobody can end: one that does not come back keeps its own thread, and takes none of ours."""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from functools import partial
from typing import Any

from shared.errors import AgentFailed
from shared.sandbox.calling import called
from shared.turns import Turns

MOST = min(32, (os.cpu_count() or 1) + 4)
STUCK = (
    "all {most} threads for functions of this executor hold calls that nobody waits for any more and that do not come back; "
    "offer what may hang with @callable_(pool=True), whose process can be killed, and restart this executor"
)


class Threads:
    """At most so many calls at once, each in a new thread that does not hold up the end of the process."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._turns = Turns(most)
        self._left = 0
        self._waiting: set[asyncio.Timeout] = set()

    async def call(self, function: Callable[[], Any], *, whose: str, name: str) -> Any:
        """What `function` gives back or raises. `whose`: the run that it is for; `name`: the thread's.

        Cancelled, it returns at once, and the thread keeps its turn until the function comes back.
        Raises AgentFailed where all threads hold functions that were left like this: waiting for one could last for ever.
        """
        await self._turn(whose)
        done: Future[Any] = Future()
        work = partial(_work, partial(copy_context().run, called, function), done)
        try:
            threading.Thread(target=work, name=f"function {name}", daemon=True).start()
        except BaseException:
            self._turns.give()
            raise
        waiting = asyncio.wrap_future(done)
        waiting.add_done_callback(lambda _: self._turns.give())
        try:
            return await asyncio.shield(waiting)
        except asyncio.CancelledError:
            if not waiting.done():
                self._leave(waiting)
            raise

    async def _turn(self, whose: str) -> None:
        patience = asyncio.timeout(0 if self._left == self._most else None)
        self._waiting.add(patience)
        try:
            async with patience:
                await self._turns.take(whose)
        except TimeoutError:
            raise AgentFailed(STUCK.format(most=self._most), code="threads_stuck") from None
        finally:
            self._waiting.discard(patience)

    def _leave(self, waiting: "asyncio.Future[Any]") -> None:
        """Count it until it comes back; once all are like this, nobody goes on waiting."""
        self._left += 1
        waiting.add_done_callback(self._back)
        if self._left == self._most:
            for patience in self._waiting:
                if not patience.expired():
                    patience.reschedule(asyncio.get_running_loop().time())

    def _back(self, _: "asyncio.Future[Any]") -> None:
        self._left -= 1


def _work(function: Callable[[], Any], done: "Future[Any]") -> None:
    try:
        done.set_result(function())
    except BaseException as error:  # noqa: BLE001 (whatever it is, it is for who waits)
        done.set_exception(error)
