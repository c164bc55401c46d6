"""The event loop of the simulation: no sockets, no threads, time that jumps, and a seeded choice of which process runs next.

Within one process the order is asyncio's own, first come first served; across processes it is the seed's. What never happens in asyncio is
not tried, so that whatever fails here can fail there.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Any


class Callback:
    """What shall be called: an `asyncio.Handle` without all that nobody asks for here."""

    __slots__ = ("args", "callback", "context", "gone", "moment")

    def __init__(self, callback: Callable[..., object], args: tuple[Any, ...], context: Context | None, moment: float) -> None:
        self.callback = callback
        self.args = args
        self.context = copy_context() if context is None else context
        self.gone = False
        self.moment = moment

    def cancel(self) -> None:
        self.gone = True

    def cancelled(self) -> bool:
        return self.gone

    def when(self) -> float:
        return self.moment


class Host:
    """What may run: one simulated process, or what lies outside all of them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ready: deque[Callback] = deque()
        self.tasks: list[asyncio.Task[Any]] = []
        self.dead = False
        self.paused = False
        self.queued = False


host: ContextVar[Host | None] = ContextVar("host", default=None)
"""Whose handle runs; None: what lies outside. Tasks and callbacks inherit it, as they inherit every context variable."""


MOST_STEPS = 2_000_000


class Stuck(Exception):
    """Nothing can ever happen any more, and yet somebody waits; or so much happens that it will never end."""


class SimulationLoop(asyncio.BaseEventLoop):
    """One schedule's loop. `steps` counts the callbacks that ran."""

    def __init__(self, random: Random) -> None:
        super().__init__()
        self._draw = random.random
        self._now = 0.0
        self._runnable: list[Host] = []
        self._timers: list[tuple[float, int, Callback]] = []
        self._order = count()
        self.outside = Host("outside")
        self.steps = 0

    def time(self) -> float:
        return self._now

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Any:
        call = Callback(callback, args, context, self._now)
        owner: Host = call.context.get(host) or self.outside
        if not owner.dead:
            owner.ready.append(call)
            if not owner.queued:
                self._queue(owner)
        return call

    call_soon_threadsafe = call_soon

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Any:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Any:
        timer = Callback(callback, args, context, when)
        heappush(self._timers, (when, next(self._order), timer))
        return timer

    def create_task(
        self, coro: Coroutine[Any, Any, Any], *, name: str | None = None, context: Context | None = None
    ) -> "asyncio.Task[Any]":  # type: ignore[override]
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        # The tasks of a process that was killed stay pending for good: kept to the end of the schedule, and not complained about.
        task._log_destroy_pending = False  # noqa: SLF001
        owner = (copy_context() if context is None else context).get(host) or self.outside
        owner.tasks.append(task)
        return task

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> "asyncio.Future[Any]":  # type: ignore[override]  # noqa: ARG002
        """At once and on this thread: threads would bring their own order."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 (whatever it raises belongs to whoever awaits it)
            future.set_exception(error)
        return future

    def pause(self, owner: Host) -> None:
        """Hold its handles back."""
        owner.paused = True
        if owner.queued:
            self._runnable.remove(owner)
            owner.queued = False

    def resume(self, owner: Host) -> None:
        """Let them go."""
        owner.paused = False
        self._queue(owner)

    def kill(self, owner: Host) -> None:
        """Whatever it would still do, it does not."""
        self.pause(owner)
        owner.dead = True
        owner.ready.clear()

    def _queue(self, owner: Host) -> None:
        if owner.ready and not owner.paused and not owner.queued:
            owner.queued = True
            self._runnable.append(owner)

    def _run_once(self) -> None:
        runnable = self._runnable
        while not self._stopping:  # type: ignore[has-type]
            if not runnable:
                self._jump()
                continue
            place = int(self._draw() * len(runnable)) if len(runnable) > 1 else 0
            owner = runnable[place]
            call = owner.ready.popleft()
            if not owner.ready:
                owner.queued = False
                last = runnable.pop()
                if place < len(runnable):
                    runnable[place] = last
            if not call.gone:
                self._do(call)

    def _do(self, call: Callback) -> None:
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise Stuck(f"{MOST_STEPS} steps, and no end")
        try:
            call.context.run(call.callback, *call.args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 (as asyncio does it: a callback that fails ends nobody else)
            self.call_exception_handler({"message": f"in {call.callback}", "exception": error})

    def _jump(self) -> None:
        """Nobody can do anything now: it is the time of the next timer. What lies outside is done at once, it waits for nobody."""
        timers = self._timers
        if not timers:
            raise Stuck("nothing can happen any more")
        self._now = max(self._now, timers[0][0])
        while timers and timers[0][0] <= self._now:
            timer = heappop(timers)[2]
            owner: Host = timer.context.get(host) or self.outside
            if timer.gone or owner.dead:
                continue
            if owner is self.outside:
                self._do(timer)
            else:
                owner.ready.append(timer)
                self._queue(owner)

    def close(self) -> None:
        self._timers.clear()
        self._runnable.clear()
        super().close()
