"""Gets a Taskgrove to work with: one that runs already, one that is started for this command, or one in memory."""

import asyncio
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import structlog
import uvloop

from taskgrove.cli.place import Place, hint_for, known_place, local_key
from taskgrove.cli.screen import Screen
from taskgrove.cli.text import duration
from taskgrove.interrupt import until_interrupted
from taskgrove.local.home import default_home
from taskgrove.local.in_memory import InMemoryStack
from taskgrove.local.serve import serve
from taskgrove.local.supervisor import LocalStack

Result = TypeVar("Result")
Work = Callable[[Place], Coroutine[Any, Any, int]]

INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Where:
    """What the options say about where to work."""

    api: str | None
    data: Path | None
    in_memory: bool

    @property
    def root(self) -> Path:
        """The data directory."""
        return (self.data or default_home()).absolute()


def work_at(where: Where, screen: Screen, work: Work) -> int | None:
    """Do the work and return what it returns; None: a signal ended it, as Ctrl-C does. What was started for it is stopped in order."""
    if where.in_memory:
        return _interruptible(_in_memory(screen, work), run=uvloop.run)
    place = known_place(where.api, where.data)
    if place:
        return _interruptible(until_interrupted(work(place)), run=asyncio.run)
    log_plainly("warning")
    return asyncio.run(_local(where.root, screen, work))


def log_plainly(level: str) -> None:
    """What the local runner reports goes to stderr, as lines for people."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )


async def _local(root: Path, screen: Screen, work: Work) -> int | None:
    stack = LocalStack(root)
    began = time.monotonic()
    screen.say(f"Starting MongoDB, RabbitMQ and five services; data in {root}", style="dim")

    async def started(stack: LocalStack) -> int:
        screen.say(f"Ready after {duration(time.monotonic() - began)}: {stack.api_url}", style="dim")
        return await work(Place(stack.api_url, local_key(stack.home), hint=hint_for(root), home=root, passing=True))

    return await serve(stack, started)


async def _in_memory(screen: Screen, work: Work) -> int | None:
    async def started(stack: InMemoryStack) -> int:
        screen.say(f"Five services in memory, ready after {duration(stack.start_seconds)}: {stack.api_url}; nothing is kept", style="dim")
        return await work(Place(stack.api_url, local_key(stack.home), home=stack.home.root, in_memory=True))

    return await serve(InMemoryStack(), started)


def _interruptible(work: Coroutine[Any, Any, Result], *, run: Callable[[Coroutine[Any, Any, Result]], Result]) -> Result | None:
    try:
        return run(work)
    except KeyboardInterrupt:
        return None
