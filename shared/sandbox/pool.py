"""Python calls in processes of their own: what computes, and what may never come back, without holding up the event loop."""

import asyncio
import importlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from typing import Any

from shared.sandbox.calling import called
from shared.turns import Turns


class Pool:
    """At most `size` processes, each started when first needed. One call at a time in each, so that a call can be killed alone."""

    def __init__(self, size: int | None = None) -> None:
        self._turns = Turns(size or os.cpu_count() or 1)
        self._idle: list[ProcessPoolExecutor] = []

    async def call(self, function: Callable[[], Any], *, seconds: float | None = None, whose: str = "") -> Any:
        """What `function` gives back: a function that can be imported by name, or a `partial` of one. `whose`: the run that it is for.

        `seconds` are for the call alone: waiting for a process, and starting one, do not count.
        Raises TimeoutError after them, and BrokenProcessPool when the process died; the next call gets a new process.
        """
        async with self._turns.one(whose):
            with self._worker() as (worker, new):
                if new:
                    await asyncio.wrap_future(worker.submit(_import, _module_of(function)))
                waiting = asyncio.wrap_future(worker.submit(called, function))
                try:
                    async with asyncio.timeout(seconds):
                        await asyncio.wait({waiting})
                finally:
                    waiting.cancel()
                if isinstance(error := waiting.exception(), BrokenProcessPool):
                    raise error
        return waiting.result()

    def wanted(self, whose: str) -> bool:
        """Whether more calls for this run wait for a process."""
        return self._turns.wanted(whose)

    @contextmanager
    def _worker(self) -> Iterator[tuple[ProcessPoolExecutor, bool]]:
        """A free process, and whether it is new. When the block raises, it is stuck or dead: it is killed and not used again."""
        new = not self._idle
        worker = _new_worker() if new else self._idle.pop()
        try:
            yield worker, new
        except BaseException:
            _kill(worker)
            raise
        self._idle.append(worker)

    def close(self) -> None:
        """End the idle processes; those that work are ended when their call is cancelled."""
        while self._idle:
            _kill(self._idle.pop())


def _module_of(function: Callable[[], Any]) -> str:
    return str((function.func if isinstance(function, partial) else function).__module__)


def _import(module: str) -> None:
    importlib.import_module(module)


def _new_worker() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), initializer=_prepare)


def _kill(worker: ProcessPoolExecutor) -> None:
    running = worker._processes  # noqa: SLF001 (public only from Python 3.14: kill_workers)
    for process in list((running or {}).values()):
        process.kill()
    worker.shutdown(wait=False, cancel_futures=True)


def _prepare() -> None:
    """In the new process: Ctrl-C is for the service, which ends us; and we do not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)
